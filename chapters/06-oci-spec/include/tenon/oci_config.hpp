/// @file
/// Chapter 06, the contract: config.json read, judged and written.
///
/// Reading is strict about what is there and lenient about what is new: an unknown field is
/// passed over, a known one of the wrong type is a violation, and all violations are found in one
/// go. Nothing here makes a system call but load_spec().
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/fd.hpp"
#include "tenon/oci_spec.hpp"

namespace tenon::oci {

/// One thing that is wrong with a config.
struct Violation {
    std::string pointer;  ///< where: a JSON pointer (RFC 6901), `/process/cwd`; empty: the whole
    std::string message;  ///< what is wrong, and what is expected
    std::string section;  ///< `config.md, Process`
    bool operator==(const Violation&) const = default;
};

/// What was read, as far as it could be.
struct ParsedSpec {
    Spec spec;
    std::vector<Violation> violations;  ///< wrong types, numbers out of range, duplicate keys
};

/// The largest config.json that is read, in bytes, and how deep its values may be nested.
inline constexpr std::size_t largest_config = std::size_t{16} << 20;
inline constexpr std::size_t deepest_config = 64;

/// Exercise 06.1. Reads the text of a config.json.
/// @throws std::invalid_argument  no JSON (with line and column), invalid UTF-8, too large, nested
///         too deeply
ParsedSpec parse_spec(std::string_view json);

/// A `process` object alone, as exec is given one.
struct ParsedProcess {
    Process process;
    std::vector<Violation> violations;
};
/// @throws std::invalid_argument  as parse_spec()
ParsedProcess parse_process(std::string_view json);

/// Exercise 06.2. What the specification's MUSTs forbid in @p spec; empty when it is valid.
/// Judges what is written; whether files exist is for whoever opens them.
std::vector<Violation> validate(const Spec& spec);
/// The part of validate() that speaks of `process`, with pointers from @p at on.
std::vector<Violation> validate_process(const Process& process, const std::string& at);

/// Exercise 06.3. The text of a config.json that parse_spec() reads as @p spec: two-space
/// indentation, fields in the spec's order, nothing that is not given.
std::string dump(const Spec& spec);

/// A config that runs a shell in a container with every default of chapter 02 said in words.
Spec template_spec();
/// The same for an ordinary user: a user namespace with one id mapped, the host's network, /sys
/// bound, no cgroup.
Spec rootless_spec(std::uint32_t uid, std::uint32_t gid);

/// Thrown for a config that breaks rules; what() is one line, with the first ones.
class InvalidSpec : public std::runtime_error {
  public:
    explicit InvalidSpec(std::vector<Violation> violations);
    [[nodiscard]] const std::vector<Violation>& violations() const { return violations_; }

  private:
    std::vector<Violation> violations_;
};

/// The text of config.json in the folder @p bundle, a regular file that is no link.
/// @throws SysError  open config.json, read; std::invalid_argument  larger than largest_config
std::string read_config(FdRef bundle);
/// The spec in such a text. @throws InvalidSpec; std::invalid_argument as parse_spec()
Spec spec_from(std::string_view config);

/// Reads and judges config.json in the folder @p bundle: both of these.
/// @throws SysError  open config.json, read; InvalidSpec; std::invalid_argument as parse_spec()
Spec load_spec(FdRef bundle);

}  // namespace tenon::oci
