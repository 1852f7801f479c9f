/**
 * A Python program that does the same random operations on a mount and on a local folder, through file descriptors that stay
 * open and by path, compares every answer at once and the trees at the end, and prints what differs. `$1`: the mount's folder,
 * `$2`: the local one, `$3`: the seed, `$4`: how many operations.
 */
export const MODEL_WORKLOAD = `
import os, random, sys, filecmp
mount, local, seed, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
rng = random.Random(seed)
for top in (mount, local): os.makedirs(top + '/d0'); os.makedirs(top + '/d1')
names = ['d%d/f%d' % (i % 2, i) for i in range(12)]
fds = []

def both(what, *args):
    answers = []
    for top in (mount, local):
        try: answers.append(what(top, *args))
        except OSError as error: answers.append(error.errno)
    if answers[0] != answers[1]:
        print('operation %d: %s %r: %r, not %r' % (n, what.__name__, args, answers[0] if not isinstance(answers[0], bytes) else len(answers[0]), answers[1] if not isinstance(answers[1], bytes) else len(answers[1])))
        sys.exit(1)
    return answers[1]

def pick(pair, top): return pair[0] if top == mount else pair[1]
def create(top, name, flags): os.close(os.open(top + '/' + name, os.O_CREAT | os.O_RDWR | flags, 0o644))
def write_fd(top, pair, offset, data): return os.pwrite(pick(pair, top), data, offset)
def read_fd(top, pair, offset, size): return os.pread(pick(pair, top), size, offset)
def size_fd(top, pair): return os.fstat(pick(pair, top)).st_size
def truncate_fd(top, pair, size): os.ftruncate(pick(pair, top), size)
def sync_fd(top, pair): os.fsync(pick(pair, top))
def append(top, name, data):
    with open(top + '/' + name, 'ab') as f: f.write(data)
def whole(top, name):
    with open(top + '/' + name, 'rb') as f: return f.read()
def size(top, name): s = os.stat(top + '/' + name); return (s.st_size, s.st_nlink, s.st_mode)
def truncate(top, name, to): os.truncate(top + '/' + name, to)
def rename(top, a, b): os.rename(top + '/' + a, top + '/' + b)
def link(top, a, b): os.link(top + '/' + a, top + '/' + b)
def unlink(top, name): os.unlink(top + '/' + name)
def chmod(top, name, mode): os.chmod(top + '/' + name, mode)
def listing(top, folder): return sorted((e.name, e.stat().st_size) for e in os.scandir(top + '/' + folder))

for n in range(count):
    name, other, choice = rng.choice(names), rng.choice(names), rng.randrange(20)
    data = rng.randbytes(rng.choice([1, 511, 4096, 10000, 70000]))
    if choice < 2: both(create, name, rng.choice([0, os.O_TRUNC, os.O_EXCL]))
    elif choice < 4:
        if len(fds) > 6: [os.close(fd) for fd in fds.pop(rng.randrange(len(fds)))]
        try: fds.append((os.open(mount + '/' + name, os.O_RDWR), os.open(local + '/' + name, os.O_RDWR)))
        except FileNotFoundError: pass
    elif choice < 8 and fds: both(write_fd, rng.choice(fds), rng.choice([0, 100, 4096, 50000, 131072]), data)
    elif choice < 10 and fds: both(read_fd, rng.choice(fds), rng.randrange(60000), rng.choice([1, 4096, 200000]))
    elif choice == 10 and fds: both(size_fd, rng.choice(fds))
    elif choice == 11 and fds: both(truncate_fd, rng.choice(fds), rng.randrange(100000))
    elif choice == 12 and fds: both(sync_fd, rng.choice(fds))
    elif choice == 13: both(append, name, data)
    elif choice == 14: both(whole, name)
    elif choice == 15: both(size, name)
    elif choice == 16: both(rename, name, other)
    elif choice == 17: both(link, name, other)
    elif choice == 18: both(unlink, name)
    elif rng.randrange(3) == 0: both(chmod, name, rng.choice([0o600, 0o644, 0o755]))
    elif rng.randrange(2) == 0: both(truncate, name, rng.randrange(100000))
    else: both(listing, 'd%d' % rng.randrange(2))
for pair in fds: [os.close(fd) for fd in pair]
for folder in ('d0', 'd1'):
    for name in both(listing, folder): both(whole, folder + '/' + name[0])
print('same', count)
`;
