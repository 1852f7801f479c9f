export { setPassThrough } from '@glusterts/libglusterfs';
