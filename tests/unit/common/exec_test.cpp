// process.hpp, exec: becoming another program.
#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "catch.hpp"
#include "descriptors.hpp"
#include "forked.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;
constexpr const char* system_path = "PATH=/usr/bin:/bin";

// What the process says that becomes `command`; or what exec said instead.
std::string become(const Command& command, const fs::path& directory = "/") {
    const Forked process = run_forked([&] {
        fs::current_path(directory);
        say(refusal([&] { exec(command); }));
        return 0;
    });
    return process.out;
}

// With PATH set to `path`.
std::string found(const std::string& name, const std::string& path, const fs::path& from = "/") {
    return become({{name}, {"PATH=" + path}}, from);
}

// A script that says its word.
fs::path make_script(const fs::path& path, const std::string& word, bool executable = true) {
    fs::create_directories(path.parent_path());
    write_file(path, "#!/bin/sh\necho " + word + "\n");
    fs::permissions(path, executable ? fs::perms{0755} : fs::perms{0644});
    return path;
}

fs::path make_program(const fs::path& path, const std::string& content) {
    write_file(path, content);
    fs::permissions(path, fs::perms{0755});
    return path;
}

// A program of this machine that wants `interpreter`: our own ELF header with one segment.
std::string elf_with_interpreter(const std::string& interpreter) {
    Elf64_Ehdr header{};
    std::ifstream{"/proc/self/exe"}.read(reinterpret_cast<char*>(&header), sizeof header);
    header.e_type = ET_DYN;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    Elf64_Phdr segment{};
    segment.p_type = PT_INTERP;
    segment.p_offset = sizeof header + sizeof segment;
    segment.p_filesz = interpreter.size() + 1;
    std::string image(sizeof header + sizeof segment, '\0');
    std::memcpy(image.data(), &header, sizeof header);
    std::memcpy(image.data() + sizeof header, &segment, sizeof segment);
    return image + interpreter + std::string(64, '\0');
}

}  // namespace

TEST_CASE("exec takes the first match in PATH's order") {
    const TemporaryDirectory directory;
    const std::string a = make_script(directory.path() / "a/program", "first").parent_path();
    const std::string b = make_script(directory.path() / "b/program", "second").parent_path();
    CHECK(found("program", a + ":" + b) == "first\n");
    CHECK(found("program", b + ":" + a) == "second\n");
    CHECK(found("program", "/nowhere:" + b) == "second\n");
}

TEST_CASE("exec passes over what it may not execute, but remembers it") {
    const TemporaryDirectory directory;
    const std::string no = make_script(directory.path() / "no/program", "no", false).parent_path();
    const std::string yes = make_script(directory.path() / "yes/program", "yes").parent_path();
    fs::create_directories(directory.path() / "folder/program");
    CHECK(found("program", no + ":" + yes) == "yes\n");
    CHECK(found("program", no + ":/nowhere") == "execve program: EACCES");
    CHECK(found("program", directory.path() / "folder") == "execve program: EACCES");
    CHECK(found("program", "/nowhere") == "execve program: ENOENT");
}

TEST_CASE("exec says that a name is too long, and looks past a folder it may not search") {
    const TemporaryDirectory directory;
    make_script(directory.path() / "closed/program", "no");
    CHECK(found(std::string(300, 'x'), "/nowhere:/bin") ==
          "execve " + std::string(300, 'x') + ": ENAMETOOLONG");
    TENON_NEED(is_real_root(), "needs real root, to become an ordinary user");
    fs::permissions(directory.path() / "closed", fs::perms{0700});
    const Forked process = run_forked([&] {
        check(::setresuid(65534, 65534, 65534), "setresuid");
        say(refusal([&] {
            exec({{"program"}, {"PATH=" + (directory.path() / "closed").string()}});
        }));
        return 0;
    });
    CHECK(process.out == "execve program: ENOENT");
}

TEST_CASE("exec takes an empty element of PATH for the working directory") {
    const TemporaryDirectory directory;
    make_script(directory.path() / "program", "here");
    for (const char* path : {":/nowhere", "/nowhere::/nowhere2", "/nowhere:", ":"}) {
        CAPTURE(path);
        CHECK(found("program", path, directory.path()) == "here\n");
    }
    CHECK(found("program", "/nowhere", directory.path()) == "execve program: ENOENT");
}

TEST_CASE("exec searches the command's PATH, not its own, and a usual one when there is none") {
    const TemporaryDirectory directory;
    const std::string folder = make_script(directory.path() / "sh", "other").parent_path();
    const Forked process = run_forked([&]() -> int {
        ::setenv("PATH", folder.c_str(), 1);
        exec({{"sh", "-c", "echo usual"}, {"HOME=/"}});
    });
    CHECK(process.out == "usual\n");
}

TEST_CASE("exec takes a name with a slash for a path") {
    const TemporaryDirectory directory;
    make_script(directory.path() / "sub/program", "there");
    CHECK(found("sub/program", "/nowhere", directory.path()) == "there\n");
    CHECK(found("./sub/program", "/nowhere", directory.path()) == "there\n");
    CHECK(found("./program", directory.path() / "sub") == "execve ./program: ENOENT");
    CHECK(found("/etc/passwd/x", "/bin") == "execve /etc/passwd/x: ENOTDIR");
}

TEST_CASE("exec names the interpreter that a script misses") {
    const TemporaryDirectory directory;
    const std::string missing = " (its interpreter /nowhere/interpreter is missing): ENOENT";
    for (const char* line : {"#!/nowhere/interpreter\n", "#! \t/nowhere/interpreter -x\necho\n",
                             "#!/nowhere/interpreter"}) {
        const fs::path script = make_program(directory.path() / "script", line);
        CAPTURE(line);
        CHECK(found(script, "/bin") == "execve " + script.string() + missing);
        CHECK(found("script", directory.path()) == "execve " + script.string() + missing);
    }
}

TEST_CASE("exec names the loader that a binary misses") {
    const TemporaryDirectory directory;
    const fs::path program =
        make_program(directory.path() / "program", elf_with_interpreter("/nowhere/ld-tenon.so.1"));
    CHECK(found(program, "/bin") ==
          "execve " + program.string() +
              " (its interpreter /nowhere/ld-tenon.so.1 is missing): ENOENT");
}

TEST_CASE("exec does not run what is no program") {
    const TemporaryDirectory directory;
    const fs::path text = make_program(directory.path() / "text", "echo no\n");
    const fs::path empty = make_program(directory.path() / "empty", "");
    const fs::path cut = make_program(directory.path() / "cut", "\177ELF");
    for (const fs::path& path : {text, empty, cut}) {
        CHECK(found(path, "/bin") == "execve " + path.string() + ": ENOEXEC");
    }
    CHECK(found("text", directory.path()) == "execve " + text.string() + ": ENOEXEC");
}

TEST_CASE("exec passes arguments and environment exactly") {
    CHECK(become({{"printf", "%s|", "a b", "", "*"}, {system_path}}) == "a b||*|");
    CHECK(become({{"env"}, {"B=2", system_path, "A="}}) ==
          std::string{"B=2\n"} + system_path + "\nA=\n");
}

TEST_CASE("exec closes every descriptor from 3 on") {
    const Forked process = run_forked([]() -> int {
        for (const int number : {3, 10, 57, 300}) ::dup2(STDERR_FILENO, number);
        exec({{"ls", "/proc/self/fd"}, {system_path}});
    });
    CHECK(process.out == "0\n1\n2\n3\n");  // 3: the folder that ls reads
}

TEST_CASE("exec resets ignored signals and the mask") {
    const Forked process = run_forked([]() -> int {
        sigset_t all{};
        sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, nullptr);
        for (const int signal : {SIGHUP, SIGINT, SIGPIPE, SIGCHLD, SIGRTMIN, SIGRTMAX}) {
            std::signal(signal, SIG_IGN);
        }
        exec({{"grep", "-E", "^Sig(Ign|Blk):", "/proc/self/status"}, {system_path}});
    });
    CHECK(process.out == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_CASE("exec's last step comes after everything but execve") {
    const Forked process = run_forked([]() -> int {
        const UniqueFd leaked{::dup(STDERR_FILENO)};
        std::signal(SIGINT, SIG_IGN);
        exec({{"echo", "echoed"}, {system_path}}, [&] {
            struct sigaction now {};
            ::sigaction(SIGINT, nullptr, &now);
            say(is_cloexec(leaked) && now.sa_handler == SIG_DFL ? "last " : "early ");
        });
    });
    CHECK(process.out == "last echoed\n");
}

TEST_CASE("exec says that a command is not there before the last step") {
    const auto refused = [](const std::string& name) {
        return run_forked([&] {
                   say(refusal([&] { exec({{name}, {"PATH=/nowhere"}}, [] { say("step "); }); }));
                   return 0;
               })
            .out;
    };
    CHECK(refused("no-such-command") == "execve no-such-command: ENOENT");
    CHECK(refused("/no/such/path") == "step execve /no/such/path: ENOENT");
    const Forked thrown = run_forked([] {
        say(refusal([] {
            exec({{"true"}, {system_path}}, [] { throw SysError(EXFULL, "step"); });
        }));
        return 0;
    });
    CHECK(thrown.out == "step: EXFULL");
}

}  // namespace tenon::test
