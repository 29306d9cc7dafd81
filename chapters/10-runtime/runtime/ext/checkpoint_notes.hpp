// What lies beside criu's images: what was outside of the container and has to be put in its place
// again. descriptors.json has the form of runc's and crun's.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "outside_mounts.hpp"
#include "tenon/fd.hpp"

namespace tenon::ext {

// Standard input, output and error, each by the name that criu has for it where it is the host's:
// `pipe:[1234]`, `socket:[1234]`, `file[MOUNT:INODE]`, `tty[RDEV:DEV]`; else a path. The host's
// null is `null:file[...]`: that is what it comes back as, whatever we have then.
using StandardFiles = std::array<std::string, 3>;
inline constexpr std::string_view null_mark = "null:";
// The name that criu has for it.
std::string criu_name(const std::string& name);

// Of the first process, whose mounts are `mounts`.
StandardFiles standard_files_of(pid_t pid, const std::vector<MountInfo>& mounts);
// One that criu has to be told of before a dump.
bool must_be_declared(const std::string& name);
// One that criu has to be given again.
bool must_be_given(const std::string& name);
// Our own descriptor `number`, which criu is given in its place. Throws std::invalid_argument  it
// was a file with a position, and ours is none
FdRef own_file_for(const std::string& name, int number);

struct CheckpointNotes {
    StandardFiles files;
    std::vector<OutsideMount> mounts;
};
void write_notes(FdRef images, const CheckpointNotes& notes);
// Throws std::runtime_error  they are missing, or say something else
CheckpointNotes read_notes(FdRef images);

}  // namespace tenon::ext
