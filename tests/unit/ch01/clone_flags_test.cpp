// 01.1: a set of namespaces becomes clone flags.
#include <fmt/format.h>

#include "kernel_view.hpp"
#include "story.hpp"
#include "tenon/namespaces.hpp"

namespace tenon::test {

namespace {

struct KindAndFlag {
    Namespace kind;
    std::uint64_t flag;
    const char* name;
};

// Written out once more, from clone(2): the test must not learn them from the code it tests.
constexpr KindAndFlag table[] = {
    {Namespace::Mount, 0x00020000, "mount"}, {Namespace::Cgroup, 0x02000000, "cgroup"},
    {Namespace::Uts, 0x04000000, "uts"},     {Namespace::Ipc, 0x08000000, "ipc"},
    {Namespace::User, 0x10000000, "user"},   {Namespace::Pid, 0x20000000, "pid"},
    {Namespace::Net, 0x40000000, "net"},     {Namespace::Time, 0x00000080, "time"},
};

std::string hex(std::uint64_t flags) {
    return fmt::format("{:#x}", flags);
}

}  // namespace

TEST_CASE("clone_flags gives each kind its own bit", "[01.1]") {
    for (const auto& [kind, flag, name] : table) {
        step(fmt::format("clone_flags({{{}}})", name));
        const std::uint64_t flags = clone_flags({kind});
        TENON_EXPECT(flags == flag, hex(flag) + " for " + name, hex(flags));
    }
}

TEST_CASE("clone_flags joins the bits of a random set and adds no other", "[01.1]") {
    const std::uint64_t chosen = random_below(256);
    NamespaceSet wanted;
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < std::size(table); ++i) {
        if ((chosen >> i & 1U) == 0) continue;
        wanted.insert(table[i].kind);
        expected |= table[i].flag;
    }
    step(fmt::format("clone_flags(random set no. {})", chosen));
    const std::uint64_t flags = clone_flags(wanted);
    fact("extra_bits", (flags & ~expected) != 0);
    TENON_EXPECT(flags == expected, hex(expected), hex(flags));
}

TEST_CASE("clone_flags of nothing is zero", "[01.1]") {
    step("clone_flags({})");
    const std::uint64_t flags = clone_flags({});
    fact("extra_bits", flags != 0);
    TENON_EXPECT(flags == 0, "0", hex(flags));
}

TEST_CASE("namespace names are those of /proc and of config.json") {
    CHECK(namespace_from_name("mnt") == Namespace::Mount);
    CHECK(namespace_from_name("mount") == Namespace::Mount);
    CHECK(namespace_from_name("network") == Namespace::Net);
    CHECK_FALSE(namespace_from_name("").has_value());
    CHECK_FALSE(namespace_from_name("nets").has_value());
    for (const Namespace kind : all_namespaces) {
        CHECK(namespace_from_name(proc_name(kind)) == kind);
        CHECK(namespace_inode("self", proc_name(kind)) != 0);
    }
}

}  // namespace tenon::test
