// HOME, from a file that belongs to the image: it is opened in the image's root, may be anything,
// and decides nothing but a word of the environment.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>

#include <algorithm>

#include "child_parts.hpp"
#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

constexpr std::size_t most_of_passwd = std::size_t{1} << 20;

// Nothing where it is no plain file: a pipe would keep us waiting.
std::string read_passwd() {
    try {
        const UniqueFd file = sys::openat2(FdRef::working_directory(), "/etc/passwd",
                                           O_RDONLY | O_NONBLOCK | O_NOCTTY, RESOLVE_NO_MAGICLINKS);
        if (!S_ISREG(sys::fstat(file).st_mode)) return {};
        return sys::pread_start(file, most_of_passwd);
    } catch (const SysError&) {
        return {};
    }
}

// What is before the next `separator`, and takes both away.
std::string_view take(std::string_view& text, char separator) {
    const std::size_t end = std::min(text.find(separator), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return part;
}

bool names_a_home(const std::string& variable) {
    return variable.starts_with("HOME=") && variable.size() > std::string_view{"HOME="}.size();
}

}  // namespace

std::string home_in(std::string_view passwd, uid_t uid) {
    const std::string wanted = fmt::format("{}", uid);
    while (!passwd.empty()) {
        // name:password:uid:gid:comment:home:shell
        std::string_view line = take(passwd, '\n');
        take(line, ':');
        take(line, ':');
        if (take(line, ':') != wanted) continue;
        take(line, ':');
        take(line, ':');
        const std::string_view home = take(line, ':');
        return home.empty() ? "/" : std::string{home};
    }
    return "/";
}

std::vector<std::string> environment_of(const oci::Process& process) {
    std::vector<std::string> environment = process.env;
    if (std::any_of(environment.begin(), environment.end(), names_a_home)) return environment;
    std::erase(environment, "HOME=");
    environment.push_back("HOME=" + home_in(read_passwd(), process.user.uid));
    return environment;
}

}  // namespace tenon
