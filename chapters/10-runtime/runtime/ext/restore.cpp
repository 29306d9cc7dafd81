// The container's first process, made by criu: in a mount namespace in which the container's root
// is a mount, as pivot_root demands, and in the container's group. What is mounted there is seen by
// nobody else, and goes with criu, however that ends.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "checkpoint.hpp"
#include "checkpoint_notes.hpp"
#include "checkpoint_parts.hpp"
#include "tenon/mount_syscalls.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/socket_syscalls.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::ext {

namespace {

constexpr const char* root_folder = "criu-root";

bool lies_in_another(const MountStep& step, const MountPlan& plan) {
    return std::any_of(plan.steps.begin(), plan.steps.end(), [&](const MountStep& each) {
        const bool mounts = each.kind == MountKind::Filesystem || each.kind == MountKind::Bind;
        return mounts && step.target.starts_with(each.target + "/");
    });
}

TargetKind kind_of(const MountStep& step) {
    if (step.kind != MountKind::Bind) return TargetKind::Directory;
    return S_ISDIR(sys::stat(step.source).st_mode) ? TargetKind::Directory : TargetKind::File;
}

// As create does it: the image's root may be a new one.
void make_missing_targets(FdRef root, const MountPlan& plan) {
    for (const MountStep& step : plan.steps) {
        const bool mounts = step.kind == MountKind::Filesystem || step.kind == MountKind::Bind;
        if (!mounts || step.target == "/" || lies_in_another(step, plan)) continue;
        make_target(root, step.target, kind_of(step));
    }
}

std::string root_path(const AdoptionGround& ground) {
    return sys::readlinkat(FdRef::working_directory(),
                           fmt::format("/proc/self/fd/{}", ground.folder.directory().number())) +
           "/" + root_folder;
}

// Child side. By its path once more: a descriptor from before leads into our parent's mounts.
void mount_root(const AdoptionGround& ground) {
    const BundleRoot root = open_bundle_root(ground.bundle, ground.plan.parts.mounts);
    make_missing_targets(root.tree, ground.plan.parts.mounts);
    const UniqueFd place = sys::openat(FdRef::working_directory(), root_path(ground),
                                       O_PATH | O_DIRECTORY | O_NOFOLLOW);
    sys::move_mount(root.tree, place, "the container's root");
}

// What is held open until criu has it.
struct Held {
    std::vector<UniqueFd> files;
    FdRef open(const std::string& path, int flags) {
        files.push_back(sys::openat(FdRef::working_directory(), path, flags));
        return files.back();
    }
};

void join_namespaces(const oci::Spec& spec, Held& held, CriuRequest& request) {
    for (const oci::LinuxNamespace& each : joined_namespaces(spec)) {
        if (!is_external_namespace(each)) {
            const Namespace kind = *namespace_from_name(each.type);
            request.joined.push_back({std::string{proc_name(kind)}, each.path});
            continue;
        }
        request.inherited.push_back({external_key(each), held.open(each.path, O_RDONLY)});
    }
}

void put_back_mounts(const CheckpointNotes& notes, const AdoptionGround& ground,
                     CriuRequest& request) {
    for (const OutsideMount& each : notes.mounts) {
        const std::string source = source_of(each, ground.plan.parts.mounts, ground.bundle.path);
        request.external.push_back(fmt::format("mnt[{}]:{}", each.place, source));
    }
}

// Our own standard files take the place of what was outside.
void put_back_files(const StandardFiles& files, bool shell_job, Held& held, CriuRequest& request) {
    for (std::size_t i = 0; i < files.size(); ++i) {
        const std::string& name = files.at(i);
        const bool by_criu = shell_job && name.starts_with("tty[");
        if (!must_be_given(name) || by_criu) continue;
        // One of its own for each: criu closes what it has taken over.
        const FdRef ours = name.starts_with(null_mark) ? held.open("/dev/null", O_RDWR)
                                                       : own_file_for(name, static_cast<int>(i));
        request.inherited.push_back({criu_name(name), ours});
    }
}

CriuRequest restore_request(const RestoreWishes& wishes, const AdoptionGround& ground) {
    CriuRequest request = request_for(wishes.criu, ground.bundle.spec);
    request.task = CriuTask::Restore;
    request.log_file = "restore.log";
    request.root = root_path(ground);
    request.lsm_profile = wishes.lsm_profile;
    request.lsm_mount_context = wishes.lsm_mount_context;
    if (ground.group != nullptr) {
        request.cgroup_root = "/" + ground.group->path();
    } else {
        request.cgroups = CriuCgroups::Ignore;
    }
    return request;
}

// A child that does it in the namespace of `kind` that the first process is in.
void do_inside(const Child& first, Namespace kind, const std::function<void()>& deed) {
    const UniqueFd file =
        sys::openat(FdRef::working_directory(),
                    fmt::format("/proc/{}/ns/{}", first.pid(), proc_name(kind)), O_RDONLY);
    CloneArgs args;
    args.join = {{kind, file}};
    spawn(args, [&](SyncSocket&) {
        deed();
        return 0;
    }).wait();
}

// A network namespace that came back empty has a loopback device that is down.
void bring_up_loopback(const LaunchPlan& plan, const Child& first) {
    if (!plan.parts.namespaces.create.contains(Namespace::Net)) return;
    do_inside(first, Namespace::Net,
              [] { sys::bring_up(sys::socket(AF_INET, SOCK_DGRAM, 0), "lo"); });
}

// What criu says, in order: `setup-namespaces`, `orphan-pts-master` where there is a terminal,
// `post-restore`.
class Listener {
  public:
    Listener(const AdoptionGround& ground, const CheckpointNotes& notes)
        : ground_(ground), notes_(notes) {}

    void hear(CriuNotice& notice) {
        if (notice.script == "setup-namespaces") {
            first_.emplace(notice.pid, sys::pidfd_open(notice.pid), SyncSocket{});
            bring_up_loopback(ground_.plan, *first_);
            ground_.on_namespaces(*first_);
        }
        if (notice.script == "orphan-pts-master") terminal_ = std::move(notice.file);
        if (notice.script == "post-restore" && first_) {
            do_inside(*first_, Namespace::Mount, [&] { forbid_again(notes_.mounts); });
            ground_.on_complete(*first_, terminal_);
        }
    }

    Adopted result() {
        if (!first_) throw std::runtime_error("criu has restored no process");
        return {std::move(*first_), std::move(terminal_)};
    }

  private:
    const AdoptionGround& ground_;
    const CheckpointNotes& notes_;
    std::optional<Child> first_;
    UniqueFd terminal_;
};

Adopted restore_first(const RestoreWishes& wishes, const AdoptionGround& ground) {
    const CheckpointNotes notes = read_notes(open_images(wishes.criu, false));
    CriuRequest request = restore_request(wishes, ground);
    Held held;
    join_namespaces(ground.bundle.spec, held, request);
    put_back_mounts(notes, ground, request);
    put_back_files(notes.files, wishes.criu.flags.shell_job, held, request);
    sys::mkdirat(ground.folder.directory(), root_folder, 0700);
    Listener listener{ground, notes};
    CriuRun run{.request = request,
                .images_path = wishes.criu.image_path,
                .work_path = work_path_of(wishes.criu),
                .prepare = [&] { mount_root(ground); },
                .on_notice = [&](CriuNotice& notice) { listener.hear(notice); },
                .spawner = {}};
    if (ground.group != nullptr) {
        run.spawner = [&](const CloneArgs& args, const ChildMain& child_main) {
            return ground.group->spawn(args, child_main);
        };
    }
    run_criu(run);
    sys::unlinkat(ground.folder.directory(), root_folder, AT_REMOVEDIR);
    return listener.result();
}

}  // namespace

Adoption restoring(const RestoreWishes& wishes) {
    return [wishes](const AdoptionGround& ground) { return restore_first(wishes, ground); };
}

}  // namespace tenon::ext
