/** `gfx_write_req` → `GfxWriteReq`; `GLUSTERFS4` → `Glusterfs4`. */
export function pascalCase(name: string): string {
  const words = name.split('_').filter((word) => word !== '');
  return words.map((word) => word.charAt(0).toUpperCase() + (word === word.toUpperCase() ? word.slice(1).toLowerCase() : word.slice(1))).join('');
}
