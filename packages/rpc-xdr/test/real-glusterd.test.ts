import { Dict, Errno, Frame, IoVec, ROOT_GFID, type Bytes, type Gfid } from '@glusterts/libglusterfs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AcceptStat, GlusterCli, GlusterDump, GlusterHandshake, GlusterPortmap, Glusterfs33, Glusterfs4, type RpcClient, RpcRejected } from '../src/index.js';
import { HOST_ADDRESS, RealHost, missing } from './real-host.js';

const reason = missing();
if (reason !== undefined) console.warn(`real glusterd: skipped: ${reason}`);

describe.skipIf(reason !== undefined)('a real glusterd', () => {
  const host = new RealHost();
  let tcp = '';
  beforeAll(async () => {
    await host.start();
    tcp = host.forward(24007);
  });
  afterAll(() => host.stop());

  it('lists on TCP the programs of the specification', async () => {
    const client = await host.connected(tcp);
    const { prog } = await client.invoke(GlusterDump.DUMP, { gfs_id: 0xcaed });
    expect(prog.map(({ progname, prognum, progver }) => `${progname} ${prognum}/${progver}`)).toEqual([
      'GF-DUMP 123451501/1', 'GlusterD svc peer 1238437/2', 'GlusterD svc cli read-only 1238463/2', 'GlusterD svc mgmt 1238433/2', 'GlusterD svc mgmt v3 1238433/3',
      'Gluster Portmap 34123456/1', 'Gluster Handshake 14398633/2', 'Gluster MGMT Handshake 1239873/1',
    ]);
  });

  it('does not know the volume that it is asked for, nor its brick', async () => {
    const client = await host.connected(tcp);
    const xdata = new Dict().setStr('min-op-version', '1').setStr('max-op-version', '100000');
    const spec = await client.invoke(GlusterHandshake.GETSPEC, { flags: 1, key: 'nosuch' as Bytes, xdata });
    expect(spec).toMatchObject({ op_ret: -1, op_errno: Errno.ENOENT, spec: '' });
    expect(await client.invoke(GlusterPortmap.PORTBYBRICK, { brick: '/d/none' as Bytes })).toEqual({ op_ret: -1, op_errno: 0, status: 0, port: 0 });
  });

  it('refuses what it does not serve', async () => {
    const client = await host.connected(tcp);
    const error: unknown = await client.invoke(Glusterfs4.NULL, undefined).catch((thrown: unknown) => thrown);
    expect(error instanceof RpcRejected && error.acceptStat).toBe(AcceptStat.PROG_UNAVAIL);
  });

  it('serves the command line on its unix socket', async () => {
    const client = await host.connected(`/proc/${host.pid}/root/run/glusterd.socket`);
    expect(await client.invoke(GlusterCli.GETWD, { unused: 0 })).toMatchObject({ op_ret: 0, wd: '/var/lib/glusterd' });
    const list = await client.invoke(GlusterCli.LIST_VOLUME, { dict: new Dict() });
    expect(list.op_ret).toBe(0);
    expect(list.dict?.getNumber('count')).toBe(0);
  });

  describe('and a brick of it', () => {
    const GFID = '\x11'.repeat(16) as Gfid;
    const frame = new Frame({ pid: 4242, lk_owner: 'someone!' as Bytes });
    let brick: RpcClient;

    beforeAll(async () => {
      const glusterd = await host.connected(tcp);
      host.run('gluster', '--mode=script', 'volume', 'create', 'one', `${HOST_ADDRESS}:/mnt/one`, 'force');
      host.run('gluster', '--mode=script', 'volume', 'start', 'one');
      let port = 0;
      while (port === 0) port = (await glusterd.invoke(GlusterPortmap.PORTBYBRICK, { brick: '/mnt/one' as Bytes })).port;
      brick = await host.connected(host.forward(port), { pingTimeoutS: 42 });
    });

    it('refuses fops before SETVOLUME, and takes them after', async () => {
      const early: unknown = await brick.invoke(Glusterfs4.STAT, { gfid: ROOT_GFID, xdata: undefined }).catch((error: unknown) => error);
      expect(early instanceof RpcRejected && early.acceptStat).toBe(AcceptStat.GARBAGE_ARGS);
      brick.auth = 'v3';
      const dict = new Dict().setStr('fops-version', '1298437').setStr('process-uuid', 'CTX_ID:rpc-xdr-test-GRAPH_ID:0-PID:1-HOST:t-PC_NAME:t-RECON_NO:-0').setStr('remote-subvolume', '/mnt/one');
      let reply = await brick.invoke(GlusterHandshake.SETVOLUME, { dict });
      // Its graph may not be up yet.
      while (reply.op_ret < 0 && reply.op_errno === Errno.EAGAIN) reply = await brick.invoke(GlusterHandshake.SETVOLUME, { dict });
      expect(reply.op_ret).toBe(0);
      expect(reply.dict?.getStr('ERROR')).toBe('Success');
      const { stat } = await brick.invoke(Glusterfs4.STAT, { gfid: ROOT_GFID, xdata: undefined }, { frame });
      expect(stat).toMatchObject({ ia_gfid: ROOT_GFID, ia_ino: 1n, ia_type: 2 });
    });

    it('creates, writes, reads, lists', async () => {
      const name = 'n\xe4me' as Bytes;
      const xdata = new Dict().setGfid('gfid-req', GFID);
      const created = await brick.invoke(Glusterfs4.CREATE, { pargfid: ROOT_GFID, flags: 2, mode: 0o100640, umask: 0, bname: name, xdata }, { frame });
      expect(created).toMatchObject({ op_ret: 0, stat: { ia_gfid: GFID, ia_prot: 0o640, ia_size: 0 } });
      const data = Buffer.alloc(200_001, 'payload ');
      const write = await brick.call(
        Glusterfs4.WRITE,
        (w) => Glusterfs4.WRITE.encodeRequest(w, { gfid: GFID, fd: created.fd, offset: 7, size: data.length, flag: 2, xdata: undefined }),
        { frame, payload: IoVec.from(data) },
      );
      expect(Glusterfs4.WRITE.decodeReply(write.reader)).toMatchObject({ op_ret: data.length, poststat: { ia_size: data.length + 7 } });
      write.release();
      const read = await brick.call(Glusterfs4.READ, (w) => Glusterfs4.READ.encodeRequest(w, { gfid: GFID, fd: -2, offset: 7, size: 300_000, flag: 0, xdata: undefined }), { frame });
      expect(Glusterfs4.READ.decodeReply(read.reader)).toMatchObject({ op_ret: data.length, op_errno: Errno.ENOENT });
      expect(Buffer.from(read.payload().toUint8Array()).equals(data)).toBe(true);
      read.release();
      const dir = await brick.invoke(Glusterfs4.OPENDIR, { gfid: ROOT_GFID, xdata: undefined }, { frame });
      const list = await brick.invoke(Glusterfs4.READDIRP, { gfid: ROOT_GFID, fd: dir.fd, offset: 0n, size: 4096, xdata: new Dict().setUint('trusted.gfid', 0) }, { frame });
      const entry = list.reply.find((each) => each.name === name);
      expect(entry?.stat.ia_gfid).toBe(GFID);
    });

    it('keeps xattrs of every type as it says', async () => {
      const dict = new Dict().setBin('user.bin', Buffer.from([0, 1, 255])).setStr('user.str', 'text').setInt('user.int', -42);
      expect((await brick.invoke(Glusterfs4.SETXATTR, { gfid: GFID, flags: 0, dict, xdata: undefined }, { frame })).op_ret).toBe(0);
      const { dict: got } = await brick.invoke(Glusterfs4.GETXATTR, { gfid: GFID, namelen: 0, name: '' as Bytes, xdata: undefined }, { frame });
      expect([...(got?.getBin('user.bin') ?? [])]).toEqual([0, 1, 255]);
      expect(got?.getStr('user.str')).toBe('text');
      expect(got?.getInt('user.int')).toBe(-42n);
    });

    it('locks under the owner of the credential', async () => {
      const flock = { type: 1, whence: 0, start: 0n, len: 0n, pid: -6, owner: '' as Bytes } as const;
      const lock = { gfid: GFID, cmd: 1, type: 1, flock, volume: 'rpc-xdr' as Bytes, xdata: undefined };
      expect((await brick.invoke(Glusterfs4.INODELK, lock, { frame })).op_ret).toBe(0);
      expect(await brick.invoke(Glusterfs4.INODELK, lock, { frame: frame.derive({ lk_owner: 'other' as Bytes }) })).toMatchObject({ op_ret: -1, op_errno: Errno.EAGAIN });
    });

    it('speaks version 3.3 too', async () => {
      const { stat, op_ret } = await brick.invoke(Glusterfs33.STAT, { gfid: GFID, xdata: undefined }, { frame, auth: 'v2' });
      expect(op_ret).toBe(0);
      expect(stat).toMatchObject({ ia_gfid: GFID, ia_size: 200_008 });
    });
  });
});
