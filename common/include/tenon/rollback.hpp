/// @file
/// Undoing what is half done.
///
/// Something that takes several steps and fails in the middle must leave nothing. Each step says,
/// as soon as it is done, how it is undone; what was said is carried out in reverse, unless all
/// went well in the end.
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace tenon {

/// Steps that its destructor undoes, the last one first, unless dismiss() is called.
class Rollback {
  public:
    Rollback() = default;
    Rollback(const Rollback&) = delete;
    Rollback& operator=(const Rollback&) = delete;
    ~Rollback();

    /// @param undo  may throw: the rest is undone all the same, and the error is told as a warning
    void add(std::function<void()> undo) { steps_.push_back(std::move(undo)); }
    /// All went well.
    void dismiss() { steps_.clear(); }

  private:
    std::vector<std::function<void()>> steps_;
};

}  // namespace tenon
