#include "tenon/log.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "catch.hpp"
#include "datagrams.hpp"
#include "json_oracle.hpp"

namespace tenon::test {

namespace {

using namespace std::string_literals;

constexpr const char* code_points = "' '.join('%x' % ord(c) for c in d)";

// One line per text: its code points as Python reads our JSON.
std::string as_python_reads(const std::vector<std::string>& texts) {
    std::string lines;
    for (const std::string& text : texts) lines += json_quote(text) + "\n";
    return python_reads(lines, code_points);
}

// What `write` makes of a log whose lines arrive one by one.
std::vector<std::string> lines_of(LogFormat format, LogLevel lowest, auto&& write) {
    const Ends ends = make_datagram_pair();
    write(Log{ends.second, format, lowest});
    return datagrams_in(ends.first);
}

std::string text_line(std::string_view message) {
    const auto lines =
        lines_of(LogFormat::Text, LogLevel::Info, [&](const Log& log) { log.error(message); });
    return lines.size() == 1 ? lines[0] : fmt::format("{} writes", lines.size());
}

}  // namespace

TEST_CASE("json_quote is valid for every single byte and keeps ASCII") {
    std::vector<std::string> texts;
    std::string expected;
    for (int byte = 0; byte < 256; ++byte) {
        texts.push_back("a" + std::string(1, static_cast<char>(byte)) + "z");
        expected += fmt::format("61 {:x} 7a\n", byte < 0x80 ? byte : 0xFFFD);
    }
    CHECK(as_python_reads(texts) == expected);
}

TEST_CASE("json_quote keeps well-formed UTF-8 at the edges of its ranges") {
    const std::vector<std::string> texts{"",
                                         "\xC2\x80",
                                         "\xDF\xBF",
                                         "\xE0\xA0\x80",
                                         "\xED\x9F\xBF",
                                         "\xEE\x80\x80",
                                         "\xEF\xBF\xBF",
                                         "\xF0\x90\x80\x80",
                                         "\xF4\x8F\xBF\xBF"};
    CHECK(as_python_reads(texts) == "\n80\n7ff\n800\nd7ff\ne000\nffff\n10000\n10ffff\n");
}

TEST_CASE("json_quote replaces what is not UTF-8 and nothing around it") {
    const std::vector<std::string> bad{"\x80",
                                       "\xBF\xBF",
                                       "\xFE",
                                       "\xFF",  // no lead byte
                                       "\xC3",
                                       "\xE2\x82",
                                       "\xF0\x9F\x98",
                                       "\xE2",  // truncated
                                       "\xC0\x80",
                                       "\xC1\xBF",
                                       "\xE0\x9F\xBF",
                                       "\xF0\x8F\xBF\xBF",  // overlong
                                       "\xED\xA0\x80",
                                       "\xED\xBF\xBF",
                                       "\xED\xA0\xBD\xED\xB8\x80",  // surrogates
                                       "\xF4\x90\x80\x80",
                                       "\xF5\x80\x80\x80",
                                       "\xF8\x88\x80\x80\x80"};  // too large
    std::vector<std::string> texts = bad;
    for (const std::string& bytes : bad) texts.push_back("a" + bytes + "z\xC3\xBC");
    const std::string read = as_python_reads(texts);
    const std::regex replaced{"((^|\n)(fffd ?)+(?=\n)){18}(\n61 (fffd )+7a fc){18}\n"};
    INFO(read);
    CHECK(std::regex_match(read, replaced));
}

TEST_CASE("json_quote leaves no raw control character in the line") {
    std::string all;
    for (int byte = 0; byte < 0x20; ++byte) all += static_cast<char>(byte);
    const std::string quoted = json_quote(all);
    CHECK(std::none_of(quoted.begin(), quoted.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
    CHECK(json_quote("a\"b\\c\n") == R"("a\"b\\c\n")");
}

TEST_CASE("a log message is one write, whatever its size") {
    const std::string large = random_name(60000);
    for (const LogFormat format : {LogFormat::Text, LogFormat::Json}) {
        const auto lines = lines_of(format, LogLevel::Info, [&](const Log& log) {
            log.info("first");
            log.info(large);
            log.error("");
        });
        REQUIRE(lines.size() == 3);
        CHECK(lines[1].find(large) != std::string::npos);
        for (const std::string& line : lines) {
            CHECK(std::count(line.begin(), line.end(), '\n') == 1);
            CHECK(line.ends_with('\n'));
        }
    }
}

TEST_CASE("a text line is the level and the message") {
    const auto lines = lines_of(LogFormat::Text, LogLevel::Debug, [](const Log& log) {
        log.debug("a");
        log.info("b");
        log.warning("c \xC3\xBC");
        log.error("d");
    });
    CHECK(lines == std::vector<std::string>{"debug: a\n", "info: b\n", "warning: c \xC3\xBC\n",
                                            "error: d\n"});
}

TEST_CASE("a log of keys and values has one line per message, whatever it says") {
    const auto lines = lines_of(LogFormat::KeyValue, LogLevel::Debug, [](const Log& log) {
        log.debug("a");
        log.warning("b\n\"c\" \x1b");
    });
    REQUIRE(lines.size() == 2);
    const std::string time = R"(time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z" )";
    CHECK(std::regex_match(lines[0], std::regex{time + "level=debug msg=\"a\"\n"}));
    CHECK(std::regex_match(
        lines[1], std::regex{time + R"(level=warning msg="b\\\\n\\"c\\" \\\\x1b")" + "\n"}));
}

TEST_CASE("a log says nothing below its level") {
    const LogLevel levels[] = {LogLevel::Debug, LogLevel::Info, LogLevel::Warning, LogLevel::Error};
    std::size_t expected = 4;
    for (const LogLevel lowest : levels) {
        const auto lines = lines_of(LogFormat::Text, lowest, [](const Log& log) {
            log.debug("x");
            log.info("x");
            log.warning("x");
            log.error("x");
        });
        CHECK(lines.size() == expected);
        CHECK(lines.back() == "error: x\n");
        --expected;
    }
}

TEST_CASE("a log starts at info when nobody says otherwise") {
    const Ends ends = make_datagram_pair();
    Log{ends.second}.debug("unheard");
    Log{ends.second}.info("heard");
    CHECK(datagrams_in(ends.first) == std::vector<std::string>{"info: heard\n"});
}

TEST_CASE("a message can neither forge a line nor command the terminal") {
    CHECK(text_line("a\nerror: forged\r\x1b[2J\x07\x7f"s + "\0b"s) ==
          "error: a\\nerror: forged\\x0d\\x1b[2J\\x07\\x7f\\x00b\n");
}

TEST_CASE("a JSON line has level, msg and an RFC 3339 time, and survives any message") {
    std::string hostile;
    for (int byte = 0; byte < 256; ++byte) hostile += static_cast<char>(byte);
    const auto lines = lines_of(LogFormat::Json, LogLevel::Debug, [&](const Log& log) {
        log.warning("plain");
        log.error("\",\"level\":\"info\n");
        log.debug(hostile);
    });
    REQUIRE(lines.size() == 3);
    const std::string read = python_reads(lines[0] + lines[1] + lines[2],
                                          "sorted(d), d['level'], repr(d['msg'])[:21], d['time']");
    const std::string keys = R"(\['level', 'msg', 'time'\] )";
    const std::string time = R"( \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\n)";
    const std::regex expected{keys + "warning 'plain'" + time +                //
                              keys + R"(error '","level":"info\\n')" + time +  //
                              keys + R"(debug '\\x00\\x01\\x02\\x03\\x04)" + time};
    INFO(read);
    CHECK(std::regex_match(read, expected));
}

TEST_CASE("a plain text is written as it is, in one piece, whatever the level") {
    const std::string table = "a  1\nb\t" + random_name(20000) + "\n\x1b[0m";
    for (const LogFormat format : {LogFormat::Text, LogFormat::Json}) {
        const auto lines =
            lines_of(format, LogLevel::Error, [&](const Log& log) { log.plain(table); });
        CHECK(lines == std::vector<std::string>{table});
    }
}

TEST_CASE("a log that cannot be written stops nothing") {
    const UniqueFd reader{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    const UniqueFd full{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
    CHECK_NOTHROW(Log{full}.plain("unheard"));
    CHECK_NOTHROW(Log{FdRef{}}.plain("unheard"));
    CHECK_NOTHROW(Log{reader}.error("unheard"));
    CHECK_NOTHROW(Log{FdRef{}}.error("unheard"));
}

TEST_CASE("printable shows controls of two bytes, and leaves letters of two bytes alone") {
    CHECK(printable("a\xC2\x9B"
                    "2J") == "a\xC2\\x9b2J");
    CHECK(printable("\xC2\x85") == "\xC2\\x85");
    CHECK(printable("\xC3\x9B \xC2\xA9") == "\xC3\x9B \xC2\xA9");
}

}  // namespace tenon::test
