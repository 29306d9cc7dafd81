"""What the guest is told: the files /job/conf and /job/run of its initrd."""

import os
import shlex
from pathlib import Path

from kit.layout import Project
from kit.vm.initrd import job_archive
from kit.vm.job import Job
from kit.vm.terminal import window_size

# As session.MACHINE_FAILED: the job's folder is not in the machine.
NOT_THERE = 125
USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def guest_path() -> str:
    """The host's folders, for its programs are in there, and root's."""
    ours = [folder for folder in os.environ.get("PATH", "").split(":") if folder.startswith("/")]
    return ":".join(dict.fromkeys([*ours, *USUAL_PATH.split(":")]))


def guest_environment(job: Job) -> dict[str, str]:
    return {"PATH": guest_path(), "HOME": "/root", "LANG": "C.UTF-8", "TENON_LAB_VM": "1",
            "TERM": os.environ.get("TERM") or "dumb", **job.environment}


def command_words(job: Job) -> list[str]:
    """env(1) takes a first word with = in it for a variable."""
    if "=" in job.command[0]:
        return ["/bin/sh", "-c", 'exec "$@"', "sh", *job.command]
    return list(job.command)


def run_script(job: Job) -> bytes:
    """Becomes the command: the pid and the group are those of this shell."""
    cwd = shlex.quote(str(job.cwd))
    assignments = [f"{name}={value}" for name, value in guest_environment(job).items()]
    complaint = shlex.quote(f"vm: {job.cwd}: not in the machine, which has a {job.cwd.parts[1]} "
                            "of its own") if len(job.cwd.parts) > 1 else "''"
    lines = ["echo $$ >/sys/fs/cgroup/job/init/cgroup.procs",
             "echo $$ >/run/vm/pid",
             f"cd {cwd} 2>/run/vm/cd || {{ echo {complaint} >&2; exit {NOT_THERE}; }}",
             "exec /usr/bin/env -i " + shlex.join([*assignments, *command_words(job)])]
    return os.fsencode("\n".join(lines) + "\n")


def conf(project: Project, job: Job, nonce: str) -> bytes:
    rows, columns = window_size()
    values = {"PROJECT": project.root.resolve(), "NONCE": nonce, "ROWS": rows, "COLS": columns,
              "OUTPUT": job.output.resolve() if job.output else "",
              "STDIN": int(job.with_stdin), "TERMINAL": int(job.terminal)}
    return os.fsencode("".join(f"{name}={shlex.quote(str(value))}\n"
                               for name, value in values.items()))


def initrd_data(base: Path, project: Project, job: Job, nonce: str) -> bytes:
    return base.read_bytes() + job_archive({"conf": conf(project, job, nonce),
                                            "run": run_script(job)})
