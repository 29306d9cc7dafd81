// Classic BPF, written from its end to its beginning. Every jump goes forward, so where it leads is
// written already, and how far that is, is known: a conditional jump skips at most 255
// instructions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenon/seccomp_program.hpp"

namespace tenon::ext {

// A place in the code. It stays the same, whatever is put before it.
struct Place {
    std::size_t from_end = 0;  // how many instructions there are from it on
};

class BackwardCode {
  public:
    // Each gives the place of what it writes, which goes before everything that there is.

    // The end, with `action`. One that is near is used again.
    Place give_back(std::uint32_t action);
    // To `yes` where the accumulator compares so to `value`, else to `no`.
    // test: BPF_JEQ, BPF_JGT, BPF_JGE
    Place branch(std::uint16_t test, std::uint32_t value, Place yes, Place no);
    // The word of seccomp_data at `offset` into the accumulator, and on to `next`.
    Place load(std::uint32_t offset, Place next);
    // `mask` of the accumulator, and on to `next`.
    Place keep_bits(std::uint32_t mask, Place next);

    // In the order in which it runs.
    [[nodiscard]] seccomp::Program program() const {
        return {reversed_.rbegin(), reversed_.rend()};
    }

  private:
    [[nodiscard]] Place front() const { return {reversed_.size()}; }
    [[nodiscard]] std::size_t distance_to(Place place) const {
        return reversed_.size() - place.from_end;
    }
    Place put(const sock_filter& instruction);
    // `place` itself, or a jump to it: something that a conditional jump reaches.
    Place within_reach(Place place);
    // So that what is put next runs on into `next`.
    void lead_to(Place next);

    std::vector<sock_filter> reversed_;
    std::vector<std::pair<std::uint32_t, Place>> ends_;  // of each action the last one written
};

}  // namespace tenon::ext
