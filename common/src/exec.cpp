// Becoming another program: find it as a shell would, take nothing along, and when the kernel
// says ENOENT about a file that is there, name the loader that is not.
#include <elf.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "tenon/error.hpp"
#include "tenon/process.hpp"
#include "tenon/program_syscalls.hpp"
#include "tenon/signal_syscalls.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

namespace {

constexpr std::string_view default_path =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string_view search_path(const Command& command) {
    for (std::string_view variable : command.environment) {
        if (variable.starts_with("PATH=")) return variable.substr(5);
    }
    return default_path;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

// The interpreter of an ELF program: segment PT_INTERP holds its path. elf(5)
std::string elf_interpreter(std::string_view image) {
    Elf64_Ehdr header{};
    if (image.size() < sizeof header) return {};
    std::memcpy(&header, image.data(), sizeof header);
    if (header.e_ident[EI_CLASS] != ELFCLASS64) return {};
    for (std::size_t i = 0; i < header.e_phnum; ++i) {
        const std::size_t at = header.e_phoff + i * sizeof(Elf64_Phdr);
        Elf64_Phdr segment{};
        if (at > image.size() || image.size() - at < sizeof segment) return {};
        std::memcpy(&segment, image.data() + at, sizeof segment);
        if (segment.p_type != PT_INTERP || segment.p_offset > image.size()) continue;
        const std::string_view text = image.substr(segment.p_offset, segment.p_filesz);
        return std::string{text.substr(0, text.find('\0'))};
    }
    return {};
}

// What the kernel would load to run the file: from "#!" or from ELF; empty when it needs nothing.
std::string interpreter_of(const std::string& path) {
    try {
        const UniqueFd file = sys::openat(FdRef::working_directory(), path, O_RDONLY);
        std::array<char, 8192> head{};
        const long length = ::read(file.ref().number(), head.data(), head.size());
        const std::string_view image{head.data(), static_cast<std::size_t>(std::max(length, 0L))};
        if (image.starts_with("\177ELF")) return elf_interpreter(image);
        if (!image.starts_with("#!")) return {};
        const std::string_view line = image.substr(2, image.find('\n') - 2);
        const std::size_t begin = std::min(line.find_first_not_of(" \t"), line.size());
        return std::string{line.substr(begin, line.find_first_of(" \t", begin) - begin)};
    } catch (const SysError&) {
        return {};  // we only look for better words; the exec error itself stands
    }
}

// The first link missing in the chain from a script over its interpreter to that one's loader.
std::string missing_interpreter(std::string path) {
    constexpr int deepest = 5;  // execve(2), ELOOP: the kernel follows no longer chain
    for (int depth = 0; depth < deepest; ++depth) {
        std::string next = interpreter_of(path);
        if (next.empty() || ::faccessat(AT_FDCWD, next.c_str(), F_OK, 0) != 0) return next;
        path = std::move(next);
    }
    return {};
}

// ENOENT on a file that exists speaks of its interpreter: execve(2), ENOENT.
[[noreturn]] void rethrow_with_interpreter(const SysError& error, const std::string& path) {
    const std::string interpreter =
        error.error() == ENOENT ? missing_interpreter(path) : std::string{};
    if (interpreter.empty()) throw error;
    throw SysError(ENOENT, "execve", path + " (its interpreter " + interpreter + " is missing)");
}

// Where a command may be.
struct Candidates {
    std::vector<std::string> paths;
    int worst_error = ENOENT;  // what is said when none can be executed
};

// Looks into each directory of PATH.
Candidates candidates_in_path(const Command& command) {
    Candidates found;
    std::string_view rest = search_path(command);
    // "/bin:" ends in an empty element. An empty PATH has none: POSIX leaves it to us, and a
    // container's working directory is nothing to run programs from unasked.
    for (bool more = !rest.empty(); more;) {
        const std::string_view directory = rest.substr(0, rest.find(':'));
        more = directory.size() < rest.size();
        rest.remove_prefix(more ? directory.size() + 1 : directory.size());
        std::string path = std::string{directory.empty() ? "." : directory} + "/" + command.argv[0];
        if (::faccessat(AT_FDCWD, path.c_str(), F_OK, 0) == 0) {
            found.paths.push_back(std::move(path));
        } else if (errno == ENAMETOOLONG) {
            // A folder that we may not search is, as for a shell, one where it is not. A name that
            // is too long is so everywhere.
            found.worst_error = ENAMETOOLONG;
        }
    }
    return found;
}

// Tries one after the other. EACCES is remembered, as in execvp(3): "found, but not allowed" tells
// more than "not found" when the search ends.
[[noreturn]] void exec_first_of(const Candidates& candidates, char* const* argv,
                                char* const* envp) {
    int worst_error = candidates.worst_error;
    for (const std::string& path : candidates.paths) {
        try {
            sys::execve(path, argv, envp);
        } catch (const SysError& error) {
            if (error.error() != EACCES) rethrow_with_interpreter(error, path);
            worst_error = EACCES;
        }
    }
    throw SysError(worst_error, "execve", argv[0]);
}

void take_nothing_along(StartMask mask, unsigned preserved) {
    // Handlers go by themselves; what is ignored stays so. execve(2)
    sys::reset_dispositions(sys::ignored_signals());
    if (mask == StartMask::Empty) sys::set_signal_mask(0);
    sys::close_range_cloexec(STDERR_FILENO + 1 + preserved);
}

Candidates candidates_of(const Command& command) {
    const std::string& name = command.argv[0];
    const bool is_path = name.find('/') != std::string::npos;
    Candidates found = is_path ? Candidates{{name}} : candidates_in_path(command);
    if (found.paths.empty()) throw SysError(found.worst_error, "execve", name);
    return found;
}

}  // namespace

namespace {

// The errno that execve(2) would give for the file itself; 0: none.
int refusal_of(const std::string& path) {
    // AT_EACCESS: as the kernel will judge, by the effective ids. faccessat(2)
    if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) != 0) return errno;
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return errno;
    return S_ISREG(status.st_mode) ? 0 : EACCES;
}

}  // namespace

void require_command(const Command& command) {
    int error = 0;
    for (const std::string& path : candidates_of(command).paths) {
        error = refusal_of(path);
        if (error == 0) return;
    }
    throw SysError(error, "execve", command.argv[0]);
}

void exec_file(FdRef program, const std::string& subject, const Command& command, StartMask mask,
               const std::function<void()>& last_step) {
    const std::vector<char*> argv = pointers_to(command.argv);
    const std::vector<char*> envp = pointers_to(command.environment);
    const trace::Step step{1, "become the program", "by its descriptor: no name leads to it"};
    take_nothing_along(mask, command.preserved);
    last_step();
    sys::execveat(program, argv.data(), envp.data(), subject);
}

void exec(const Command& command) {
    exec(command, [] {});
}

void exec(const Command& command, const std::function<void()>& last_step) {
    const std::vector<char*> argv = pointers_to(command.argv);
    const std::vector<char*> envp = pointers_to(command.environment);
    const trace::Step step{1, "become the command", "with no descriptor of ours but 0, 1 and 2"};
    take_nothing_along(StartMask::Empty, command.preserved);
    const Candidates candidates = candidates_of(command);
    last_step();
    exec_first_of(candidates, argv.data(), envp.data());
}

}  // namespace tenon
