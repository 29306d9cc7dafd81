"""The lab VM: a throwaway QEMU machine for what the host cannot or must not do.

Its root is the host's, read-only, below an overlay that vanishes with it; the
project lies at its own path in the same way. One output folder may be written.

    verb     ./course vm up | run | shell
    ready    is all here that a machine takes, and making it so
    kernel   a Debian or Ubuntu kernel from its packages, without installing them
    initrd   the first file system, and what one run adds to it
    accel    KVM after a probe showed that it works, emulation otherwise
    job      what shall run, and whether it can
    briefing what the guest is told of it
    storage  files without a name: initrd, scratch disk
    qemu     the command line, as a value
    channels what passes between host and guest while a job runs
    terminal the user's terminal meanwhile
    boot     one boot of one machine
    session  run_job(): one job, with a second try by emulation
    guest/   what runs inside: init (first file system), stage2 (PID 1), probe

Nothing on the host can be changed from inside but one output folder. Reading is
another matter: the guest sees what the user who runs it sees.
"""
