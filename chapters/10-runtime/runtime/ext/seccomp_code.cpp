#include "seccomp_code.hpp"

#include <algorithm>

#include "tenon/seccomp_bpf.hpp"

namespace tenon::ext {

namespace bpf = seccomp::bpf;

namespace {

// A jump of its own for the other way may come between.
constexpr std::size_t farthest = UINT8_MAX - 1;
// An end that was asked for has a few instructions to go before somebody jumps to it, and another
// one costs no more than the way to it.
constexpr std::size_t farthest_end = farthest - 16;

}  // namespace

Place BackwardCode::put(const sock_filter& instruction) {
    reversed_.push_back(instruction);
    return front();
}

Place BackwardCode::give_back(std::uint32_t action) {
    const auto known = std::find_if(ends_.begin(), ends_.end(),
                                    [&](const auto& each) { return each.first == action; });
    if (known != ends_.end() && distance_to(known->second) <= farthest_end) return known->second;
    const Place place = put(bpf::give_back(action));
    if (known == ends_.end()) {
        ends_.emplace_back(action, place);
    } else {
        known->second = place;
    }
    return place;
}

Place BackwardCode::within_reach(Place place) {
    if (distance_to(place) <= farthest) return place;
    return put(bpf::jump(static_cast<std::uint32_t>(distance_to(place))));
}

void BackwardCode::lead_to(Place next) {
    if (distance_to(next) != 0) put(bpf::jump(static_cast<std::uint32_t>(distance_to(next))));
}

Place BackwardCode::branch(std::uint16_t test, std::uint32_t value, Place yes, Place no) {
    const Place to_yes = within_reach(yes);
    const Place to_no = within_reach(no);
    return put(bpf::jump_if(test, value, static_cast<std::uint8_t>(distance_to(to_yes)),
                            static_cast<std::uint8_t>(distance_to(to_no))));
}

Place BackwardCode::load(std::uint32_t offset, Place next) {
    lead_to(next);
    return put(bpf::load(offset));
}

Place BackwardCode::keep_bits(std::uint32_t mask, Place next) {
    lead_to(next);
    return put(bpf::keep_bits(mask));
}

}  // namespace tenon::ext
