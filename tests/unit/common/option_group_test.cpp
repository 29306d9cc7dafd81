// option_group.hpp: what CLI11 makes of options that are declared by it.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "catch.hpp"
#include "tenon/error.hpp"
#include "tenon/option_group.hpp"

namespace tenon::test {

namespace {

using Words = std::vector<std::string>;

// The mistake in @p words, for a program whose options @p declare declares; empty: none.
std::string mistake(Words words, const std::function<void(OptionGroup&)>& declare) {
    CLI::App app;
    OptionGroup group{app, "Limits"};
    declare(group);
    std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
    try {
        app.parse(words);
    } catch (const CLI::ParseError& error) {
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("a value that is refused is told behind its option's long name, once") {
    std::string why = "no such thing";
    const auto declare = [&why](OptionGroup& group) {
        group.value("-m,--memory,--mem", "SIZE", "how much",
                    [&why](const std::string& text) { throw std::invalid_argument(why + text); });
    };
    CHECK(mistake({"-m", "7"}, declare) == "--memory: no such thing7");
    why = "--memory '";
    CHECK(mistake({"--mem", "7'"}, declare) == "--memory '7'");
    CHECK(mistake({"--disk", "x"}, [](OptionGroup& group) {
              group.values("--disk", "DEV", "where",
                           [](const std::string& text) { throw SysError(ENOENT, "stat", text); });
          }).starts_with("--disk: stat"));
}

TEST_CASE("values are taken in the order in which they stand, whatever their names are") {
    Words taken;
    const auto take = [&taken](const std::string& name) {
        return [&taken, name](const std::string& text) { taken.push_back(name + text); };
    };
    CHECK(mistake({"--bind", "1", "-t2", "--bind=3", "--bind", ""}, [&](OptionGroup& group) {
              group.values("-t,--tmpfs", "SPEC", "empty", take("t"));
              group.values("--bind", "SPEC", "full", take("b"));
          }).empty());
    CHECK(taken == Words{"b1", "t2", "b3", "b"});
}

TEST_CASE("what may be given once is refused the second time; what is required, when missing") {
    std::string text;
    const auto declare = [&text](OptionGroup& group) {
        group.required("ID", "", "its name", [](const std::string& id) { CHECK(id == "c1"); });
        group.value("--root", "DIR", "where", text);
    };
    CHECK(mistake({"--root", "/r", "c1"}, declare).empty());
    CHECK(text == "/r");
    CHECK(mistake({"--root", "a", "--root", "b", "c1"}, declare).find("--root") == 0);
    CHECK(mistake({"--root", "a"}, declare) == "ID is required");
}

TEST_CASE("a value that may be left out, flags, and options that exclude each other") {
    std::string form;
    bool flag = false;
    bool called = false;
    const auto declare = [&](OptionGroup& group) {
        group.value_or("text", "--explain", "[=json]", "tell",
                       [&form](const std::string& given) { form = given; });
        group.flag("-f,--force", "in any case", flag);
        group.flag("--idle", "later", [&called] { called = true; });
        group.exclusive("--force", "--explain");
    };
    CHECK(mistake({"--explain"}, declare).empty());
    CHECK(form == "text");
    CHECK(mistake({"--explain=json", "--idle"}, declare).empty());
    CHECK(form == "json");
    CHECK((called && !flag));
    CHECK(mistake({"-f"}, declare).empty());
    CHECK(flag);
    CHECK(mistake({"--explain=json", "-f"}, declare).find("excludes") != std::string::npos);
}

TEST_CASE("help has the option below its heading, with the type of its value") {
    CLI::App app;
    std::string text;
    OptionGroup{app, "Limits"}.value("-m,--memory", "SIZE", "how much", text);
    const std::string help = app.help();
    CHECK(help.find("Limits:\n  -m,--memory SIZE") != std::string::npos);
    CHECK(help.find("how much") != std::string::npos);
}

}  // namespace tenon::test
