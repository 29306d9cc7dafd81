// spec: a config.json to begin with.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/oci_config.hpp"
#include "tenon/syscalls.hpp"
#include "verbs.hpp"

namespace tenon::cli {

namespace {

UniqueFd make_config(const std::string& bundle) {
    try {
        const UniqueFd folder = sys::openat(FdRef::working_directory(),
                                            bundle.empty() ? "." : bundle, O_PATH | O_DIRECTORY);
        return sys::openat(folder, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
    } catch (const SysError& error) {
        if (error.error() != EEXIST) throw;
        throw std::runtime_error("File config.json exists. Remove it first");
    }
}

}  // namespace

int spec(const Global& /*global*/, Words words) {
    std::string bundle;
    bool rootless = false;
    const std::vector<Option> table{
        text("bundle", bundle, "DIR", "where config.json is written (.)", 'b'),
        flag("rootless", rootless, "for an ordinary user: with a user namespace")};
    if (!take_options(words, table, Where::Anywhere).empty()) {
        throw UsageError("\"spec\" takes no arguments");
    }
    const oci::Spec made =
        rootless ? oci::rootless_spec(::geteuid(), ::getegid()) : oci::template_spec();
    const std::string text_of_it = oci::dump(made);
    sys::write_all(make_config(bundle), std::as_bytes(std::span{text_of_it}), "config.json");
    return 0;
}

}  // namespace tenon::cli
