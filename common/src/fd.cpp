// One descriptor, one owner, one close.
#include "tenon/fd.hpp"

#include <unistd.h>

#include <cerrno>

namespace tenon {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
        reset();
        number_ = std::exchange(other.number_, -1);
    }
    return *this;
}

void UniqueFd::reset() noexcept {
    if (number_ < 0) return;
    // A destructor runs while an error is on its way up: errno must survive it.
    const int saved_errno = errno;
    ::close(std::exchange(number_, -1));
    errno = saved_errno;
}

}  // namespace tenon
