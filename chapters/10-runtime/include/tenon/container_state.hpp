/// @file
/// Chapter 10, the contract of what there is between two commands.
///
/// create, start and delete are three processes, perhaps days apart. What connects them is a
/// folder:
///
///     ROOT/ID/config.json   as it was when the container was made; later changes have no effect
///     ROOT/ID/state.json    a ContainerRecord: there whole, or not at all
///     ROOT/ID/start         a socket: the container listens until it is started
///
/// The folder is locked by whoever changes something. The record says what was made; what has
/// become of it is asked of the kernel each time, because nobody tells us of an end.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/fd.hpp"
#include "tenon/file_lock.hpp"
#include "tenon/oci_config.hpp"

namespace tenon {

// ---- the state machine ---------------------------------------------------------------------

/// @see runtime-spec runtime.md, "State"; Paused is every runtime's own
enum class ContainerStatus { Creating, Created, Running, Paused, Stopped };
/// `creating`, `created`, `running`, `paused`, `stopped`.
std::string_view status_name(ContainerStatus status);

/// What a command does to a container.
enum class Operation { Start, Kill, Exec, Pause, Resume, Update, Delete, DeleteByForce };

/// Exercise 10.1. The status after @p operation, nothing where it is not allowed. Delete leads to
/// Stopped: what is deleted has stopped. @see runtime-spec runtime.md, "Operations"
std::optional<ContainerStatus> next_status(ContainerStatus status, Operation operation);

/// @throws ContainerError  `cannot start an already running container`, `container not running` ...
/// @param id  for the message
void require(ContainerStatus status, Operation operation, std::string_view id);

/// A process, as /proc/PID/stat tells of it.
struct ProcessFacts {
    char state = '?';              ///< R S D Z X ...
    std::uint64_t flags = 0;       ///< PF_*
    std::uint64_t start_time = 0;  ///< clock ticks since boot: a pid comes again, this does not
    bool operator==(const ProcessFacts&) const = default;
};
/// Exercise 10.1, too. Reads /proc/PID/stat; nothing for any other text. A process chooses its own
/// name, which stands in parentheses: it may hold blanks and parentheses.
/// @see \man{proc_pid_stat,5}
std::optional<ProcessFacts> parse_process_stat(std::string_view text);

/// What is known of a container at one moment.
struct Observation {
    std::optional<ProcessFacts> process;  ///< who has its pid now
    bool waits_at_gate = false;
    bool frozen = false;
};

struct ContainerRecord;
/// Exercise 10.1, too. Stopped is also who has ended and is not reaped (Z, X), who is about to
/// (PF_EXITING: its namespaces are gone already), and a stranger with the same pid.
ContainerStatus status_from(const ContainerRecord& record, const Observation& seen);

// ---- the record ----------------------------------------------------------------------------

/// state.json: what was made for a container.
struct ContainerRecord {
    std::string oci_version;
    std::string id;
    std::string bundle;   ///< absolute
    std::string rootfs;   ///< absolute
    std::string created;  ///< RFC 3339
    pid_t pid = 0;        ///< 0: creating
    std::uint64_t start_time = 0;
    std::string cgroup;                     ///< from the hierarchy's root; empty: none
    std::string cgroup_mount;               ///< where that is
    std::vector<std::string> groups_above;  ///< made for containers, the outer ones first
    std::map<std::string, std::string> annotations;
    bool has_poststart = false;  ///< hooks: else nobody has to read the config again
    bool has_poststop = false;
    bool operator==(const ContainerRecord&) const = default;
};
std::string record_text(const ContainerRecord& record);
/// @param id  of the folder that it lies in
/// @throws std::invalid_argument  no JSON, a field missing or of the wrong type, another id, a pid
///         that is none, a cgroup path that leaves the hierarchy
ContainerRecord parse_record(std::string_view json, const std::string& id);

/// The state of a container, as hooks are given it and `state` prints it.
/// @see runtime-spec runtime.md, "State"
std::string state_json(const ContainerRecord& record, ContainerStatus status);

// ---- where containers are --------------------------------------------------------------------

/// A command that is refused for what the container is. what() is what callers look for.
class ContainerError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};
/// There is none of that name, or none any more.
class NoContainer : public ContainerError {
  public:
    NoContainer() : ContainerError("container does not exist") {}
};

/// Letters, digits, plus, minus, dots and underscores, at most 255; not dots alone, one or two.
/// @throws ContainerError  `invalid container ID format`
void check_id(std::string_view id);

/// The folder of --root: one folder for each container.
class ContainerRoot {
  public:
    /// Made where it is missing, for its owner alone. @throws SysError  mkdirat, openat
    static ContainerRoot make(const std::string& path);
    /// Nothing where it is missing.
    static std::optional<ContainerRoot> open(const std::string& path);

    [[nodiscard]] FdRef directory() const { return directory_; }
    [[nodiscard]] std::vector<std::string> ids() const;

  private:
    explicit ContainerRoot(UniqueFd directory) : directory_(std::move(directory)) {}
    UniqueFd directory_;
};

/// The folder of one container.
class ContainerFolder {
  public:
    /// A new one, not locked. @throws ContainerError  `container with given ID already exists`
    static ContainerFolder make(const ContainerRoot& root, const std::string& id);
    /// One that is there, not locked. @throws NoContainer
    static ContainerFolder open(const ContainerRoot& root, const std::string& id);

    [[nodiscard]] FdRef directory() const { return directory_; }
    [[nodiscard]] const std::string& id() const { return id_; }

    /// Waits until nobody else changes the container. Reads may go on.
    /// @throws NoContainer  it was removed meanwhile, whatever has its name by now
    [[nodiscard]] FileLock lock() const;
    void write_config(std::string_view config) const;
    [[nodiscard]] std::string read_config() const;
    /// @pre locked @throws std::invalid_argument  its annotations are too long
    void write_record(const ContainerRecord& record) const;
    /// Nothing where there is none yet.
    /// @throws std::invalid_argument  as parse_record(), and a file that others may write to
    [[nodiscard]] std::optional<ContainerRecord> read_record() const;
    /// With all that is in it; nothing where that has been done. @pre locked
    void remove() const;

  private:
    [[nodiscard]] bool is_there() const;
    ContainerFolder(UniqueFd parent, UniqueFd directory, std::string id)
        : parent_(std::move(parent)), directory_(std::move(directory)), id_(std::move(id)) {}
    UniqueFd parent_;
    UniqueFd directory_;
    std::string id_;
};

}  // namespace tenon
