// The words that rules are written in, and the rules that are given. Internal to chapter 06.
//
// A rule says nothing where all is well. It writes its message only where something is wrong.
#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "findings.hpp"
#include "tenon/oci_spec.hpp"

namespace tenon::oci {

// ---- words ----------------------------------------------------------------------------------

// `judge(element, place)` for each element of the list at `at`.
template <typename T, typename Judge>
void each(const std::vector<T>& list, const Place& at, const Judge& judge) {
    for (std::size_t i = 0; i < list.size(); ++i) judge(list[i], Place{at, i});
}

// Each element's name, given by `name_of`, is there once. @param what  `the namespace`
template <typename T, typename Name>
void expect_each_once(Findings& findings, const Place& at, const std::vector<T>& list,
                      const char* what, const Name& name_of) {
    std::set<std::string_view> seen;
    each(list, at, [&](const T& element, const Place& place) {
        const std::string_view name = name_of(element);
        if (seen.insert(name).second) return;
        findings.add(place, fmt::format("{} {} is there already", what, shown(name)));
    });
}

// Some words, on loan: a table, or a list at the call.
class Words {
  public:
    // NOLINTBEGIN(google-explicit-constructor): a loan at a call's argument, nothing more
    constexpr Words(std::initializer_list<std::string_view> words)
        : words_(words.begin(), words.size()) {}
    template <std::size_t size>
    constexpr Words(const std::array<std::string_view, size>& words) : words_(words) {}
    // NOLINTEND(google-explicit-constructor)
    [[nodiscard]] auto begin() const { return words_.begin(); }
    [[nodiscard]] auto end() const { return words_.end(); }

  private:
    std::span<const std::string_view> words_;
};

bool is_one_of(std::string_view value, Words words);
void expect_one_of(Findings& findings, const Place& at, std::string_view value, Words words);
void expect_absolute(Findings& findings, const Place& at, std::string_view path);
void expect_given(Findings& findings, const Place& at, std::string_view value);
void expect_range(Findings& findings, const Place& at, std::int64_t value, std::int64_t lowest,
                  std::int64_t highest);
// `0-3,7`; an empty one asks for nothing.
void expect_number_list(Findings& findings, const Place& at, const std::string& list);
// NAME=value: environ(7)
void expect_environment(Findings& findings, const Place& at, const std::vector<std::string>& list);
// The kernel takes up to 340 ranges that are not empty, do not overlap and do not pass 2^32.
// user_namespaces(7)
void expect_mappings(Findings& findings, const Place& at, const std::vector<IdMapping>& list);

// ---- rules that are given ---------------------------------------------------------------------
// `at` is the place of what is judged.

// Of 1.0.0 up to our own minor version; 1.4.0 may ask for what we have never heard of.
void judge_version(Findings& findings, const Place& at, const std::string& version);
// Scheduler, I/O priority, CPU affinity, size of the terminal.
void judge_scheduling(Findings& findings, const Place& at, const Process& process);
void judge_hooks(Findings& findings, const Place& at, const Hooks& hooks);
void judge_annotations(Findings& findings, const Place& at, const Spec& spec);
// Everything of `linux` but its namespaces.
void judge_linux(Findings& findings, const Place& at, const Linux& linux);
void judge_resources(Findings& findings, const Place& at, const Resources& resources);
void judge_seccomp(Findings& findings, const Place& at, const Seccomp& seccomp);

}  // namespace tenon::oci
