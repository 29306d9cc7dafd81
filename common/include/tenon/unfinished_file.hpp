/// @file
/// A file that is there whole, or not at all.
///
/// Whoever reads a file while it is written finds half of it, and after a power cut everybody does.
/// So it is written under a name of its own, brought to the disk, and renamed: rename(2) replaces
/// the old file in one step. What a killed writer leaves is locked by nobody, and so is known.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tenon/fd.hpp"
#include "tenon/file_lock.hpp"

namespace tenon {

/// A file in the making. Unless publish() is called, the destructor removes it.
class UnfinishedFile {
  public:
    /// A new file in @p directory, a loan, with a name that nobody looks for.
    /// @param mode  of the file, less the umask's bits  @throws SysError  openat: EACCES, EROFS,
    /// ENOSPC
    static UnfinishedFile make(FdRef directory, mode_t mode);
    UnfinishedFile(UnfinishedFile&& other) noexcept;
    UnfinishedFile& operator=(UnfinishedFile&&) = delete;
    UnfinishedFile(const UnfinishedFile&) = delete;
    UnfinishedFile& operator=(const UnfinishedFile&) = delete;
    ~UnfinishedFile();

    /// Open for reading and writing.
    [[nodiscard]] FdRef file() const { return lock_.file(); }
    /// The content reaches the disk before the name does.
    /// @param name  relative to the directory; what has it is replaced
    /// @throws SysError  fsync: EIO, ENOSPC; renameat: EISDIR
    void publish(const std::string& name);

  private:
    UnfinishedFile(FdRef directory, std::string name, FileLock lock)
        : directory_(directory), name_(std::move(name)), lock_(std::move(lock)) {}
    FdRef directory_;
    std::string name_;  // empty once it is published
    FileLock lock_;
};

/// Removes what killed writers left in @p directory.
void sweep_unfinished(FdRef directory);

/// @p content takes the place of @p name, as an UnfinishedFile does.
/// @throws SysError  openat, write: ENOSPC; fsync, renameat; the subject is @p name
void replace_file(FdRef directory, const std::string& name, std::string_view content,
                  mode_t mode = 0600);
/// One that is not there is no error. @throws SysError  unlinkat
void remove_file(FdRef directory, const std::string& name);

}  // namespace tenon
