# Runs a command whose programs may be of another processor: emulate.sh EMULATOR ROOT COMMAND …
# In a user namespace of its own: the list of emulators that it changes is the namespace's.
set -eu
emulator=$1
QEMU_LD_PREFIX=$2
export QEMU_LD_PREFIX
shift 2
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
# The head of each AArch64 program. F: the kernel opens the emulator now.
printf '%s' ":llama-sidecar:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:$emulator:F" \
    >/proc/sys/fs/binfmt_misc/register
exec "$@"
