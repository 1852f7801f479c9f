export { dmHash } from '@glusterts/libglusterfs';
