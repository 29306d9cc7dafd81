/// @file
/// Chapter 08: compiled filters, kept by content.
///
/// libseccomp takes milliseconds for an engine's default profile, more than all the rest of a
/// launch together; the result is the same each time. So it is kept in a file that is named by the
/// hash of all that it depends on. Whoever can write there decides what a container may do: a file
/// or folder that others may write to is not believed, and content that is no sound program is
/// neither. A cache that does not work is slow, and never an error.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tenon/digest.hpp"
#include "tenon/seccomp.hpp"

namespace tenon::seccomp {

/// Who makes a program of a policy. Two of them make two programs of one policy, so that each finds
/// its own again.
struct Compiler {
    std::string_view name;  ///< another one as soon as it makes another program of a policy
    Filter (*compile)(const oci::Seccomp& policy);
};
/// compile(): the one of this chapter.
inline constexpr Compiler by_libseccomp{"libseccomp", compile};

/// The name of what @p compiler makes of @p policy here: SHA-256 of the policy, the compiler,
/// libseccomp's version, the kernel's release, the architecture, and the form of the file. Where a
/// listener is reached is no part of it.
Digest cache_key(const oci::Seccomp& policy, const Compiler& compiler = by_libseccomp);

/// Where filters are kept unless told otherwise: /run/tenon/seccomp for root, else in
/// $XDG_RUNTIME_DIR; empty when there is no such place.
std::string default_cache_folder();

/// A folder of compiled filters.
class FilterCache {
  public:
    /// Opens @p folder, made where it is missing. Does not throw: a folder that is somebody else's,
    /// or that others may write to, or that a link leads to, is not used.
    explicit FilterCache(const std::string& folder);

    [[nodiscard]] bool usable() const { return folder_.valid(); }
    /// Why not; empty when it is.
    [[nodiscard]] const std::string& complaint() const { return complaint_; }

    /// Nothing when it is not there, or not to be believed.
    [[nodiscard]] std::optional<Filter> find(const Digest& key) const;
    /// Does not throw: on a full disk the next one compiles again.
    void keep(const Digest& key, const Filter& filter) const;

  private:
    UniqueFd folder_;
    std::string complaint_;
};

/// What @p compiler makes of @p policy, from @p cache where it is there.
/// @throws as compile()
Filter compile_cached(const oci::Seccomp& policy, const FilterCache& cache,
                      const Compiler& compiler = by_libseccomp);

}  // namespace tenon::seccomp
