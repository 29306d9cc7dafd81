// update: what is written into a group that has limits already. The group is a plain folder.
#include "changed_limits.hpp"

#include <fcntl.h>

#include <fstream>
#include <stdexcept>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

using std::chrono::microseconds;

class Group {
  public:
    Group& with(const char* file, const std::string& text) {
        std::ofstream{folder_.path() / file} << text;
        return *this;
    }
    [[nodiscard]] CgroupLimits after(const oci::Resources& wanted) const {
        return ext::changed_limits(
            wanted, sys::openat(FdRef::working_directory(), folder_.path(), O_RDONLY));
    }

  private:
    TemporaryDirectory folder_;
};

}  // namespace

TEST_CASE("what an update does not speak of is not written") {
    CHECK(Group{}.after({}).empty());
    CHECK(Group{}.after({.memory = oci::Memory{}, .cpu = oci::Cpu{.shares = 0}}).empty());
}

TEST_CASE("a quota alone keeps the period, and a period alone the quota") {
    const CpuMax quota =
        *Group{}.with("cpu.max", "20000 50000\n").after({.cpu = oci::Cpu{.quota = 30000}}).cpu_max;
    CHECK(quota == CpuMax{microseconds{30000}, microseconds{50000}});
    const CpuMax period =
        *Group{}.with("cpu.max", "20000 50000\n").after({.cpu = oci::Cpu{.period = 70000}}).cpu_max;
    CHECK(period == CpuMax{microseconds{20000}, microseconds{70000}});
    const CpuMax none =
        *Group{}.with("cpu.max", "max 50000\n").after({.cpu = oci::Cpu{.period = 70000}}).cpu_max;
    CHECK(none == CpuMax{std::nullopt, microseconds{70000}});
    const CpuMax lifted =
        *Group{}.with("cpu.max", "20000 50000\n").after({.cpu = oci::Cpu{.quota = -1}}).cpu_max;
    CHECK(lifted == CpuMax{std::nullopt, microseconds{50000}});
    const CpuMax both = *Group{}
                             .with("cpu.max", "20000 50000\n")
                             .after({.cpu = oci::Cpu{.quota = 1000, .period = 2000}})
                             .cpu_max;
    CHECK(both == CpuMax{microseconds{1000}, microseconds{2000}});
}

TEST_CASE("idle and burst can be taken back") {
    const CgroupLimits limits = Group{}.after({.cpu = oci::Cpu{.burst = 0, .idle = 0}});
    CHECK(limits.cpu_idle == false);
    CHECK(limits.cpu_burst == microseconds{0});
}

TEST_CASE("swap is counted from the memory limit that holds") {
    Group group;
    group.with("memory.max", "1000000\n");
    CHECK(group.after({.memory = oci::Memory{.swap = 1500000}}).swap_max == 500000);
    CHECK(group.after({.memory = oci::Memory{.limit = 1200000, .swap = 1500000}}).swap_max ==
          300000);
    CHECK_THROWS_AS(
        Group{}.with("memory.max", "max\n").after({.memory = oci::Memory{.swap = 1500000}}),
        std::invalid_argument);
}

TEST_CASE("a limit below what is in use is refused only where the config asks for the look") {
    Group group;
    group.with("memory.current", "5000\n");
    CHECK(group.after({.memory = oci::Memory{.limit = 4000}}).memory_max == 4000);
    const oci::Memory careful{.limit = 4000, .check_before_update = true};
    CHECK_THROWS_WITH(group.after({.memory = careful}),
                      "rejecting memory limit 4000 <= usage 5000");
    const oci::Memory enough{.limit = 6000, .check_before_update = true};
    CHECK(group.after({.memory = enough}).memory_max == 6000);
}

}  // namespace tenon::test
