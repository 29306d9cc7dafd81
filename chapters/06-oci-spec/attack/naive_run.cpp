// naive_run BUNDLE COMMAND...: starts a container as config.json says, and believes every word.
//
// It does what the text asks for: the root is where root.path leads, a mount is made at root.path
// and destination, put together as text, and the working directory is entered as it is written. And
// it forgets a descriptor: the bundle's folder, open without close-on-exec (CVE-2024-21626).
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace {

bool write_text(const char* path, const std::string& text) {
    const int file = ::open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return false;
    const bool written = ::write(file, text.data(), text.size()) >= 0;
    return ::close(file) == 0 && written;
}

// A mount namespace, for anybody: an ordinary user is root in a user namespace.
bool leave_hosts_mounts() {
    const uid_t uid = ::geteuid();
    const gid_t gid = ::getegid();
    if (uid != 0) {
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
        write_text("/proc/self/setgroups", "deny");
        write_text("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1");
        write_text("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1");
    } else if (::unshare(CLONE_NEWNS) != 0) {
        return false;
    }
    return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

// The text after "key", as far as a search for quotation marks finds it.
std::string value_of(const std::string& json, const std::string& key) {
    const std::size_t name = json.find('"' + key + '"');
    if (name == std::string::npos) return {};
    const std::size_t start = json.find('"', json.find(':', name)) + 1;
    return json.substr(start, json.find('"', start) - start);
}

void make_folders(const std::string& path) {
    for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
        ::mkdir(path.substr(0, at).c_str(), 0755);
    }
    ::mkdir(path.c_str(), 0755);
}

std::string read_config(const char* bundle) {
    // For relative paths later. Nobody closes it.
    const int folder = ::open(bundle, O_RDONLY | O_DIRECTORY);
    if (folder < 0 || ::fchdir(folder) != 0) return {};
    std::ostringstream text;
    text << std::ifstream("config.json").rdbuf();
    return text.str();
}

bool enter(const std::string& json) {
    const std::string root = value_of(json, "path");
    const std::string destination = value_of(json, "destination");
    if (!destination.empty()) {
        const std::string target = root + destination;
        make_folders(target);
        if (::mount("none", target.c_str(), "tmpfs", 0, nullptr) != 0) return false;
    }
    const std::string proc = root + "/proc";
    return ::mount("/proc", proc.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0 &&
           ::chroot(root.c_str()) == 0 && ::chdir(value_of(json, "cwd").c_str()) == 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    const std::string json = read_config(argv[1]);
    if (json.empty() || !leave_hosts_mounts() || !enter(json)) {
        std::perror("naive_run");
        return 1;
    }
    ::execv(argv[2], argv + 2);
    std::perror(argv[2]);
    return 1;
}
