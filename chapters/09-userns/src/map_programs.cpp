// newuidmap(1) and newgidmap(1): the two programs that may map what /etc/subuid and /etc/subgid
// grant. What they say about a refusal is short, and often it is not their fault: a program that is
// set-user-ID root is nothing of the kind on a nosuid mount or under no_new_privs.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>

#include "subid_lines.hpp"
#include "tenon/error.hpp"
#include "tenon/log.hpp"
#include "tenon/process.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/userns.hpp"

namespace tenon {

namespace {

constexpr const char* single_id = "or do with one id: --rootless single, or maps of size 1";

std::vector<std::string> arguments(const std::string& program, pid_t child,
                                   const std::vector<IdMap>& maps) {
    std::vector<std::string> words{program, std::to_string(child)};
    for (const IdMap& map : maps) {
        for (const std::uint32_t number : {map.container_id, map.host_id, map.size}) {
            words.push_back(std::to_string(number));
        }
    }
    return words;
}

// Where posix_spawnp found it.
std::string path_of(const std::string& program) {
    const char* path = std::getenv("PATH");
    for (const std::string_view folder : split(path == nullptr ? "" : path, ':')) {
        std::string candidate = fmt::format("{}/{}", folder.empty() ? "." : folder, program);
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return program;
}

bool has_file_capabilities(const std::string& path) {
    return !sys::fgetxattr(sys::openat(FdRef::working_directory(), path, O_RDONLY),
                           "security.capability")
                .empty();
}

// Why the program had no more rights than we have; empty when it should have had them.
std::string why_without_rights(const std::string& path) {
    struct stat status {};
    struct statvfs mount {};
    if (::stat(path.c_str(), &status) != 0 || ::statvfs(path.c_str(), &mount) != 0) return {};
    if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) {
        return "this process was started with no_new_privs, so no program gains rights";
    }
    if ((mount.f_flag & ST_NOSUID) != 0) {
        return fmt::format("{} lies on a nosuid mount, so it gains no rights", path);
    }
    const bool set_user_id = (status.st_mode & S_ISUID) != 0 && status.st_uid == 0;
    if (set_user_id || has_file_capabilities(path)) return {};
    return fmt::format(
        "{0} is neither set-user-ID root nor has file capabilities: "
        "chmod u+s {0}, as root",
        path);
}

const char* file_behind(const std::string& program) {
    return program == "newuidmap" ? subuid_file : subgid_file;
}

// The first line of what it said, as one that is ours.
std::string first_line(const std::string& said) {
    return printable(split(said, '\n').front());
}

[[noreturn]] void explain_missing(const std::string& program) {
    throw std::runtime_error(fmt::format(
        "{} is not there, and only it may map more than your own id: install uidmap (Debian, "
        "Ubuntu) or shadow-utils (Fedora), {}",
        program, single_id));
}

[[noreturn]] void explain_refusal(const std::string& program, const ProcessResult& result) {
    const std::string said = first_line(result.err);
    if (said.find("not allowed") != std::string::npos) {
        throw std::runtime_error(
            fmt::format("{}: {} does not grant that to you: add a line USER:FIRST:COUNT there, as "
                        "root (usermod --add-subuids, --add-subgids), {}",
                        said, file_behind(program), single_id));
    }
    const std::string why = why_without_rights(path_of(program));
    throw std::runtime_error(fmt::format("{}: {}, {}", said.empty() ? program + " failed" : said,
                                         why.empty() ? "see newuidmap(1)" : why, single_id));
}

}  // namespace

void run_map_program(const std::string& program, pid_t child, const std::vector<IdMap>& maps) {
    const trace::Step step{9, "have the ids mapped",
                           "it is set-user-ID root and reads /etc/subuid"};
    try {
        const ProcessResult result = run_process(arguments(program, child, maps));
        if (!result.status.success()) explain_refusal(program, result);
    } catch (const SysError& error) {
        if (error.error() == ENOENT) explain_missing(program);
        throw;
    }
}

}  // namespace tenon
