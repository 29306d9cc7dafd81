#include "checkpoint_notes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/major.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "tenon/error.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/unfinished_file.hpp"

namespace tenon::ext {

namespace {

constexpr const char* descriptors_file = "descriptors.json";
constexpr const char* mounts_file = "outside-mounts.json";

// On which mount it was opened: `mnt_id:	29` of /proc/PID/fdinfo/FD.
std::string mount_id_of(pid_t pid, int number) {
    std::istringstream lines{read_kernel_file(FdRef::working_directory(),
                                              fmt::format("/proc/{}/fdinfo/{}", pid, number))};
    for (std::string word; lines >> word;) {
        if (word == "mnt_id:" && lines >> word) return word;
    }
    return {};
}

bool is_mounted(const std::string& id, const std::vector<MountInfo>& mounts) {
    return std::any_of(mounts.begin(), mounts.end(),
                       [&](const MountInfo& each) { return each.id == id; });
}

bool is_terminal(const struct stat& file) {
    const unsigned type = major(file.st_rdev);
    return S_ISCHR(file.st_mode) && (type == TTY_MAJOR || (type >= UNIX98_PTY_SLAVE_MAJOR &&
                                                           type < UNIX98_PTY_SLAVE_MAJOR + 8));
}

std::string name_of(pid_t pid, int number, const std::vector<MountInfo>& mounts) {
    const std::string path = fmt::format("/proc/{}/fd/{}", pid, number);
    try {
        std::string link = sys::readlinkat(FdRef::working_directory(), path);
        if (!link.starts_with('/')) return link;
        const std::string mount = mount_id_of(pid, number);
        if (is_mounted(mount, mounts)) return link;
        const struct stat file = sys::stat(path);
        if (is_terminal(file)) return fmt::format("tty[{:x}:{:x}]", file.st_rdev, file.st_dev);
        const bool null = S_ISCHR(file.st_mode) && file.st_rdev == makedev(1, 3);
        return fmt::format("{}file[{:x}:{:x}]", null ? null_mark : "", std::stoul(mount),
                           file.st_ino);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
        return {};  // it is closed
    }
}

[[noreturn]] void not_ours(const char* file) {
    throw std::runtime_error(
        fmt::format("{} beside the images is not what checkpoint writes there", file));
}

nlohmann::json read_json(FdRef images, const char* file) {
    const std::optional<std::string> text = read_kernel_file_if_present(images, file);
    if (!text) {
        throw std::runtime_error(fmt::format(
            "no checkpoint: there is no {} in --image-path, which checkpoint writes there", file));
    }
    nlohmann::json json = nlohmann::json::parse(*text, nullptr, false);
    if (!json.is_array()) not_ours(file);
    return json;
}

}  // namespace

StandardFiles standard_files_of(pid_t pid, const std::vector<MountInfo>& mounts) {
    StandardFiles files;
    for (std::size_t i = 0; i < files.size(); ++i) {
        files.at(i) = name_of(pid, static_cast<int>(i), mounts);
    }
    return files;
}

std::string criu_name(const std::string& name) {
    return name.starts_with(null_mark) ? name.substr(null_mark.size()) : name;
}

bool must_be_declared(const std::string& name) {
    return name.starts_with(null_mark) || name.starts_with("file[") || name.starts_with("tty[");
}

FdRef own_file_for(const std::string& name, int number) {
    const FdRef ours{number};
    // criu sets its position.
    const struct stat file = sys::fstat(ours);
    const bool movable = S_ISREG(file.st_mode) || (S_ISCHR(file.st_mode) && !is_terminal(file));
    if (name.starts_with("file[") && !movable) {
        throw std::invalid_argument(fmt::format(
            "descriptor {} of the container was a file, and ours is none: redirect it to one",
            number));
    }
    return ours;
}

bool must_be_given(const std::string& name) {
    return must_be_declared(name) || name.starts_with("pipe:[") || name.starts_with("socket:[");
}

void write_notes(FdRef images, const CheckpointNotes& notes) {
    nlohmann::json mounts = nlohmann::json::array();
    for (const OutsideMount& each : notes.mounts) {
        mounts.push_back({{"place", each.place},
                          {"of", each.of},
                          {"below", each.below},
                          {"options", each.options}});
    }
    replace_file(images, descriptors_file, nlohmann::json(notes.files).dump());
    replace_file(images, mounts_file, mounts.dump());
}

CheckpointNotes read_notes(FdRef images) {
    CheckpointNotes notes;
    try {
        notes.files = read_json(images, descriptors_file).get<StandardFiles>();
        for (const nlohmann::json& each : read_json(images, mounts_file)) {
            notes.mounts.push_back({.place = each.at("place").get<std::string>(),
                                    .of = each.at("of").get<std::string>(),
                                    .below = each.at("below").get<std::string>(),
                                    .options = each.at("options").get<std::string>()});
        }
    } catch (const nlohmann::json::exception&) {
        not_ours("what lies");
    }
    return notes;
}

}  // namespace tenon::ext
