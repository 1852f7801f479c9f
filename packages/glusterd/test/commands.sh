G=$1; H=$2
mkdir -p /d
run() { echo "## gluster $*"; "$G" "$@" >/run/o 2>/run/e </dev/null; rc=$?; cat /run/o; echo "-- stderr"; cat /run/e; echo "-- rc $rc"; }
run pool list; run peer status; run volume list; run volume info; run volume status
run --mode=script volume create vd $H:/d/d1 $H:/d/d2 force
run --mode=script volume create vd $H:/d/d3 force
run --mode=script volume create v2 $H:/d/d1 force
run --mode=script volume create v2 $H:/d/d1/sub force
run --mode=script volume create v2 $H:/d/n1
run --mode=script volume create v2 $H:/d/no/n1 force
run --mode=script volume create v2 nohost.invalid:/d/n1 force
run --mode=script volume create ve disperse 3 redundancy 1 $H:/d/e1 $H:/d/e2 $H:/d/e3 force
run --mode=script volume create vx disperse 3 redundancy 1 $H:/d/x1 $H:/d/x2 $H:/d/x3
run --mode=script volume create vde disperse-data 2 redundancy 1 $H:/d/de1 $H:/d/de2 $H:/d/de3 $H:/d/de4 $H:/d/de5 $H:/d/de6 force --xml
run --mode=script volume create vr replica 3 $H:/d/r1 $H:/d/r2 $H:/d/r3 force
run --mode=script volume create vbad replica 3 $H:/d/rb1 $H:/d/rb2 force
run volume list; run volume info; run volume info vd --xml; run volume info nosuch; run volume status vd; run volume status nosuch
run volume start vd; run volume start vd; run volume start vd force; run volume start nosuch; run volume start ve --xml; run volume start vde
for i in $(seq 100); do "$G" volume status | grep -q "^Brick.* N  " || break; sleep 0.1; done
run volume status; run volume status vd; run volume status vd $H:/d/d1; run volume status vd $H:/d/zz; run volume status vd --xml; run volume status vd detail; run volume status vd tasks; run volume status vd nfs; run volume status vd shd; run volume status vd quotad; run volume status vd snapd; run volume status vd bitd
run volume set vd performance.io-thread-count 20; run volume set vd performance.io-thread-count 100; run volume set vd performance.io-cache maybe; run volume set vd io-thread-count 19; run volume set vd user.foo "a b"; run volume set vd auth.allow '10.*'; run volume set vd cluster.min-free-disk 120%; run volume set vd network.ping-timeout -1; run volume set vd features.shard on; run volume set vd features.shard-block-size 1KB; run volume set ve disperse.eager-lock off; run volume set ve cluster.disperse-self-heal-daemon off; run volume set vd cluster.disperse-self-heal-daemon off; run volume set vd features.read-only on features.worm on; run volume set ve disperse.quorum-count 9; run volume set vd server.statedump-path foo; run volume set vd features.quota on; run volume set vd features.bitrot on; run volume set vd cluster.op-version 5; run volume set vd cluster.nufa on; run volume set vd diagnostics.client-log-level debug; run volume set vd performance.write-behind-window-size 1KB;  run volume set vd performance.parallel-readdir on
run volume set all cluster.server-quorum-ratio 51%; run volume set all performance.io-cache on; run volume set vd cluster.server-quorum-ratio 51; run volume set all cluster.max-bricks-per-process 5
run volume info vd; run volume get vd all; run volume get ve all;  run volume get all all; run volume get vd performance.io-thread-count; run volume get vd user.foo; run volume get vd user.none; run volume get vd auth.allow --xml
run volume reset vd io-thread-count; run volume reset vd; run volume info vd; run volume reset all; run volume info vd; run volume reset vd force; run volume reset nosuch
for what in mem clients inode fd callpool client-list; do run volume status vd $what; run volume status vd $H:/d/d1 $what; done; run volume status nosuch clients; run volume status vr clients; run volume status vd clients --xml; run volume status vd mem --xml; run volume status vd fd --xml; run volume status vd $H:/d/zz clients; run volume status vr client-list
mkdir -p /d/out; run get-state; run get-state foo; run get-state odir /nonexist/ file x; run get-state odir /d/out file gs1; run get-state glusterd odir /d/out/ file gs2 detail; run get-state odir /d/out file gs3 volumeoptions; run get-state file gs4; run get-state odir /d/out file sub/x; run get-state odir; run get-state file; run get-state detail; run get-state volumeoptions detail; run get-state file /abs
for file in gs1 gs2 gs3; do echo "## $file"; cat /d/out/$file; done; ls /run/gluster | grep -v 'socket$\|^glusterd_state' | sort
run volume heal ve disable; run volume get ve cluster.disperse-self-heal-daemon; run volume heal ve enable; run volume heal ve foo; run volume heal vd; run volume heal vd enable; run volume heal nosuch; run volume heal nosuch disable; run volume heal vr; run volume heal; run volume info ve
run volume set vd foo bar; run volume set vd performance.io-cach on; run volume get vd foo.bar; run volume get vd cluster.read; run volume get vd pass-through; run volume get all nothing.at.all; run volume get vd x; run volume reset vd server.x; run volume set vd cluster.server-quorum-type foo; run volume set vr cluster.read-subvolume foo; run volume set vr cluster.read-subvolume vr-client-1; run volume set vd auth.allow 10.0.0.999; run volume set vd auth.allow 256.1.1.1,a_b; run volume set vd auth.reject 1.2.3
run volume statedump vd; run volume statedump nosuch; run system:: getspec vd; run system:: getspec nosuch; run system:: uuid get; run system:: getwd
run --mode=script volume delete vd; run --mode=script volume stop vr; run --mode=script volume stop vd; run --mode=script volume stop vd; run --mode=script volume delete vd; run volume info vd; run volume list
run --mode=script volume create vd $H:/d/d1 $H:/d/d2
run --mode=script volume create vd $H:/d/d1/x force
run --mode=script volume stop ve --xml; run --mode=script volume delete ve --xml; run --mode=script volume stop vde force; run volume status all
