// The one loop over a directory. Internal to common.
#pragma once

#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "tenon/error.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::sys {

// Calls `each` with the name and type (DT_*) of every entry but . and .., in no order.
// @see readdir(3)
template <typename Each>
void for_each_entry(FdRef directory, const Each& each) {
    // fdopendir(3) takes over its descriptor, and reads on from where that stands.
    UniqueFd own = openat(directory, ".", O_RDONLY | O_DIRECTORY);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream{::fdopendir(own.ref().number()), ::closedir};
    check(stream ? 0 : -1, "fdopendir");
    static_cast<void>(own.release());
    while (true) {
        errno = 0;  // readdir says "the end" and "an error" alike
        const dirent* const entry = ::readdir(stream.get());
        if (entry == nullptr) break;
        const std::string_view name{&entry->d_name[0]};
        if (name != "." && name != "..") each(name, entry->d_type);
    }
    check(errno == 0 ? 0 : -1, "readdir");
}

}  // namespace tenon::sys
