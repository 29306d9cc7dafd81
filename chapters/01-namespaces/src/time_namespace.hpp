// The one namespace that has to be made before it is entered. Internal to chapter 01.
#pragma once

#include "tenon/namespace_options.hpp"

namespace tenon {

// `child_main`, after the making of a time namespace with the clocks that `options` ask for; it is
// taken out of `args.create` then. Without offsets nothing changes.
// Throws std::invalid_argument for offsets without a new time namespace.
ChildMain with_clocks_first(const NamespaceOptions& options, CloneArgs& args,
                            const ChildMain& child_main);

}  // namespace tenon
