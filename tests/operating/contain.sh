# A container of one app, as small as one can be: a root directory with nothing of the host but /usr, /proc and the directories that are named, and user
# ids of its own, of which 0 is 100000 outside. As root, in a mount namespace: sh contain.sh ROOT UID MOUNT... -- PROGRAM...
# Each MOUNT appears at its own path. It is a directory or, to show what is wrong with that, a file.
set -e
root=$1 uid=$2
shift 2
mount -t tmpfs -o mode=755 tmpfs "$root"
mkdir "$root/usr" "$root/proc" "$root/dev" "$root/old"
mount --bind -o ro /usr "$root/usr"
mount --rbind /proc "$root/proc"
mount --bind /dev "$root/dev"
for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$root$(dirname "$1")" && : >"$root$1"; fi
    mount --bind "$1" "$root$1"
    shift
done
shift
outside=$(readlink /proc/self/ns/user)
unshare --user sleep 60 &
while [ "$(readlink /proc/$!/ns/user)" = "$outside" ]; do :; done
echo '0 100000 65536' >/proc/$!/uid_map
echo '0 100000 65536' >/proc/$!/gid_map
exec 9</proc/$!/ns/user
kill $!
cd "$root"
pivot_root . old
umount -l /old
exec nsenter --user=/proc/self/fd/9 setpriv --reuid="$uid" --regid="$uid" --clear-groups "$@"
