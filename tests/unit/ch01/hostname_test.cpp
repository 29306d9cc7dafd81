// 01.4: a name of its own.
#include <fmt/format.h>
#include <sched.h>
#include <sys/utsname.h>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tenon/error.hpp"
#include "tenon/namespaces.hpp"

namespace tenon::test {

namespace {

std::string names_now() {
    utsname names{};
    check(::uname(&names), "uname");
    return fmt::format("{} / {}", names.nodename, names.domainname);
}

// Both names before and after `change`, in a UTS namespace of the test's own.
std::string names_after(const std::function<void()>& change) {
    return run_inside(CLONE_NEWUTS, [&] {
        change();
        return names_now();
    });
}

std::string own_domain() {
    utsname names{};
    check(::uname(&names), "uname");
    return names.domainname;
}

}  // namespace

TEST_CASE("set_hostname names the container and not the host", "[01.4]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::string name = random_name(1 + random_below(64));
    const std::string host = names_now();
    const std::string inside = names_after([&] { set_hostname(name); });
    step(fmt::format("set_hostname(\"{}\"), {} bytes, in a new UTS namespace", name, name.size()));
    step("uname says " + inside);
    const std::string wanted = fmt::format("{} / {}", name, own_domain());
    fact("truncated", inside != wanted && wanted.starts_with(inside.substr(0, inside.find(' '))));
    fact("host_renamed", names_now() != host);
    TENON_EXPECT(inside == wanted, wanted, inside);
    TENON_EXPECT(names_now() == host, "the host is still " + host, names_now());
}

TEST_CASE("set_domainname changes the domain and nothing else", "[01.4]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::string host = random_name(10);
    const std::string domain = random_name(16);
    const std::string inside = names_after([&] {
        set_hostname(host);
        set_domainname(domain);
    });
    step(fmt::format("set_hostname(\"{}\"), then set_domainname(\"{}\")", host, domain));
    step("uname says " + inside);
    fact("domain_became_host", inside.starts_with(domain));
    TENON_EXPECT(inside == host + " / " + domain, host + " / " + domain, inside);
}

TEST_CASE("a name of 65 bytes is refused with its call and itself", "[01.4]") {
    TENON_NEED(missing_privilege().empty(), missing_privilege());
    const std::string name = random_name(65);
    const auto refusal = [&](void (*set)(std::string_view)) {
        return run_inside(CLONE_NEWUTS, [&]() -> std::string {
            try {
                set(name);
            } catch (const SysError& error) {
                return fmt::format("{} {}", error.call(), errno_name(error.error()));
            }
            return "accepted";
        });
    };
    const std::string host = refusal(set_hostname);
    const std::string domain = refusal(set_domainname);
    step("set_hostname and set_domainname with 65 bytes");
    fact("truncated", host == "accepted");
    TENON_EXPECT(host == "sethostname EINVAL", "sethostname EINVAL", host);
    TENON_EXPECT(domain == "setdomainname EINVAL", "setdomainname EINVAL", domain);
}

}  // namespace tenon::test
