// A destructor on the way of another error: what fails here is told, and goes no further.
#include "tenon/rollback.hpp"

#include <unistd.h>

#include <exception>

#include "tenon/messages.hpp"

namespace tenon {

Rollback::~Rollback() {
    for (; !steps_.empty(); steps_.pop_back()) {
        try {
            steps_.back()();
        } catch (const std::exception& error) {
            tell_warning(error.what());
        }
    }
}

}  // namespace tenon
