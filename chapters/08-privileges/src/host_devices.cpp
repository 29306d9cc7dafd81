// The machine's devices, as --privileged hands them over: everything below /dev that is a node.
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "tenon/file_syscalls.hpp"
#include "tenon/privilege_options.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

// A container has its own of these, and /dev/console and the terminals are somebody's.
bool is_each_containers_own(const std::string& path) {
    return path == "pts" || path == "shm" || path == "mqueue" || path == "fd" ||
           path == "console" || path == "ptmx" || path == "tty" || path == "log";
}

oci::Device device_from(const std::string& path, const struct stat& status) {
    return {.path = "/dev/" + path,
            .type = S_ISCHR(status.st_mode) ? "c" : "b",
            .major = major(status.st_rdev),
            .minor = minor(status.st_rdev),
            .file_mode = status.st_mode & 07777U,
            .uid = status.st_uid,
            .gid = status.st_gid};
}

void collect(FdRef folder, const std::string& prefix, dev_t file_system,
             std::vector<oci::Device>& devices) {
    for (const std::string& name : sys::names_in(folder)) {
        const std::string path = prefix + name;
        const std::optional<struct stat> status = sys::fstatat_if_present(folder, name);
        if (!status || is_each_containers_own(path)) continue;
        if (S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode)) {
            devices.push_back(device_from(path, *status));
        } else if (S_ISDIR(status->st_mode) && status->st_dev == file_system) {
            const UniqueFd below = sys::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            collect(below, path + "/", file_system, devices);
        }
    }
}

}  // namespace

std::vector<oci::Device> devices_in(FdRef dev) {
    std::vector<oci::Device> devices;
    collect(dev, "", sys::fstat(dev).st_dev, devices);
    return devices;
}

}  // namespace tenon
