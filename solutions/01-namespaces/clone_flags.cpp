// Each kind of namespace is one bit of clone3's flags. One call makes them all at once, so there
// is no moment in which the child has some of them and not yet the others. clone(2), CLONE_NEW*
#include "tenon/namespaces.hpp"

namespace tenon {

std::uint64_t clone_flags(const NamespaceSet& wanted) {
    // BEGIN SOLUTION 01.1
    std::uint64_t flags = 0;
    for (const Namespace kind : wanted) flags |= static_cast<std::uint64_t>(kind);
    return flags;
    // END SOLUTION
}

}  // namespace tenon
