// What a test may leave behind: nothing.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace tenon::test {

// Everything around this process that a test could forget: mounts, network links, cgroups below
// our own and those of ours beside it, child processes (zombies too), descriptors, files in the
// test's temporary directory.
class Surroundings {
  public:
    static Surroundings now();

    // What is here and was not there `before`, in words.
    [[nodiscard]] std::vector<std::string> added_since(const Surroundings& before) const;

  private:
    std::multiset<std::string> things_;
};

}  // namespace tenon::test
