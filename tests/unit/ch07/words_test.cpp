// What people type, and what /proc says: read strictly, without a system call.
#include <stdexcept>
#include <string>

#include "story.hpp"
#include "tenon/running_container.hpp"

namespace tenon::test {

TEST_CASE("parse_signal knows numbers and names as kill -l has them", "[07]") {
    CHECK(parse_signal("15") == 15);
    CHECK(parse_signal("TERM") == 15);
    CHECK(parse_signal("SIGTERM") == 15);
    CHECK(parse_signal("sigterm") == 15);
    CHECK(parse_signal("KILL") == 9);
    CHECK(parse_signal("64") == 64);
    CHECK(parse_signal("RTMIN") == 34);
    CHECK(parse_signal("SIGRTMIN+3") == 37);
    CHECK(parse_signal("RTMAX") == 64);
    CHECK(parse_signal("RTMAX-30") == 34);
}

TEST_CASE("parse_signal refuses everything else", "[07]") {
    for (const char* text :
         {"", "0", "65", "-1", "+1", " 15", "15 ", "TERMX", "SIG", "SIGSIGTERM", "RTMIN-1",
          "RTMIN+", "RTMIN+31", "RTMAX+1", "RTMAX-31", "0x9", "9.0", "99999999999999999999"}) {
        INFO(text);
        CHECK_FALSE(parse_signal(text).has_value());
    }
}

TEST_CASE("parse_user takes numbers and nothing else", "[07]") {
    CHECK(parse_user("0").uid == 0);
    CHECK(parse_user("1000").uid == 1000);
    CHECK(parse_user("1000").gid == 0);
    CHECK(parse_user("1:2").gid == 2);
    CHECK(parse_user("2147483647").uid == 2147483647U);
    for (const char* text :
         {"", ":", "1:", ":1", "root", "1000x", "-1", "+1", "1:-1", "1:2:3", "2147483648",
          "4294967295", "4294967296", "18446744073709551617", "0x1", " 1"}) {
        INFO(text);
        CHECK_THROWS_AS(parse_user(text), std::invalid_argument);
    }
}

TEST_CASE("cgroup_path_of reads the line of v2 alone", "[07]") {
    CHECK(cgroup_path_of("0::/a/b\n", 1) == "a/b");
    CHECK(cgroup_path_of("12:pids:/v1\n1:name=systemd:/x\n0::/a\n", 1) == "a");
    CHECK(cgroup_path_of("0::/\n", 1).empty());
    CHECK(cgroup_path_of("0::/a (deleted)\n", 1) == "a (deleted)");  // openat2: ENOENT
    for (const char* text : {"", "0::\n", "1:cpu:/a\n", "0::/../a\n", "0::/..\n", "x0::/a\n"}) {
        INFO(text);
        CHECK_THROWS_AS(cgroup_path_of(text, 1), std::runtime_error);
    }
}

TEST_CASE("parse_environment leaves out what is no variable", "[07]") {
    using std::string_literals::operator""s;
    using Texts = std::vector<std::string>;
    CHECK(parse_environment("") == Texts{});
    CHECK(parse_environment("A=1\0B=\0"s) == Texts{"A=1", "B="});
    CHECK(parse_environment("A=1\0no\0=x\0\0C=a=b"s) == Texts{"A=1", "C=a=b"});
}

TEST_CASE("process_from replaces variables, and gives a terminal its kind", "[07]") {
    ExecOptions options;
    options.environment = {"A=2", "B=3"};
    CHECK(process_from(options, {"A=1", "C=4"}).env ==
          std::vector<std::string>{"C=4", "A=2", "B=3"});
    options.attend.terminal = true;
    const oci::Process process = process_from(options, {"A=1"});
    CHECK(process.terminal);
    CHECK(process.env == std::vector<std::string>{"TERM=xterm", "A=2", "B=3"});
    CHECK(process_from(options, {"TERM=vt100"}).env.front() == "TERM=vt100");
    options.environment = {"=x"};
    CHECK_THROWS_AS(process_from(options, {}), std::invalid_argument);
}

}  // namespace tenon::test
