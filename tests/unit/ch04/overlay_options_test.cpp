// 04.1: an overlay, in the kernel's two languages.
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "catch.hpp"
#include "kernel_view.hpp"
#include "story.hpp"
#include "tenon/overlay.hpp"

namespace tenon::test {

namespace {

bool contains(std::string_view text, std::string_view word) {
    return text.find(word) != std::string_view::npos;
}

using Options = std::vector<std::string>;

OverlayMount writable(Options lower) {
    OverlayMount overlay;
    overlay.lower = std::move(lower);
    overlay.upper = "upper";
    overlay.work = "work";
    return overlay;
}

OverlayMount read_only(Options lower) {
    OverlayMount overlay;
    overlay.lower = std::move(lower);
    return overlay;
}

bool has(const Options& options, const std::string& option) {
    return std::find(options.begin(), options.end(), option) != options.end();
}

bool mentions(const Options& options, std::string_view word) {
    return std::any_of(options.begin(), options.end(), [&](const std::string& option) {
        return option.find(word) != std::string::npos;
    });
}

std::string shown(const Options& options) {
    return fmt::format("{}", fmt::join(options, " "));
}

// The places of the options that begin so, in order.
Options values_of(const Options& options, const std::string& key) {
    Options values;
    for (const std::string& option : options) {
        if (option.starts_with(key + "=")) values.push_back(option.substr(key.size() + 1));
    }
    return values;
}

template <typename Make>
std::string complaint(const Make& make) {
    try {
        static_cast<void>(make());
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("overlay_options has one lowerdir+ per layer, the topmost first", "[04.1]") {
    const Options lower{"layers/3/fs", "layers/1/fs", "layers/2/fs"};
    const Options options = overlay_options(writable(lower));
    const Options got = values_of(options, "lowerdir+");
    step("overlay_options: " + shown(options));
    fact("reversed", got == Options(lower.rbegin(), lower.rend()));
    fact("joined_by_colons", mentions(options, "lowerdir=") || mentions(options, "fs:"));
    TENON_EXPECT(got == lower, shown(lower), shown(got));
}

TEST_CASE("overlay_options names upper and work folder", "[04.1]") {
    const Options options = overlay_options(writable({"a"}));
    step("overlay_options: " + shown(options));
    fact("work_missing", !has(options, "workdir=work"));
    TENON_EXPECT(has(options, "upperdir=upper") && has(options, "workdir=work"),
                 "upperdir=upper workdir=work", shown(options));
}

TEST_CASE("an overlay without an upper folder names neither", "[04.1]") {
    OverlayMount overlay = read_only({"a", "b"});
    overlay.volatile_upper = true;
    const Options options = overlay_options(overlay);
    step("overlay_options: " + shown(options));
    const bool any = mentions(options, "upperdir") || mentions(options, "workdir") ||
                     mentions(options, "volatile");
    fact("upper_named_empty", mentions(options, "upperdir"));
    TENON_EXPECT(!any, "neither upperdir, workdir nor volatile", shown(options));
}

TEST_CASE("what is off is said to be off", "[04.1]") {
    const Options options = overlay_options(writable({"a"}));
    step("overlay_options, no switch on: " + shown(options));
    const bool said = has(options, "metacopy=off") && has(options, "redirect_dir=off");
    fact("left_to_the_kernel", !mentions(options, "metacopy") || !mentions(options, "redirect"));
    TENON_EXPECT(said, "metacopy=off redirect_dir=off: a kernel may be built with both on",
                 shown(options));
    CHECK_FALSE(has(options, "volatile"));
    CHECK_FALSE(has(options, "userxattr"));
}

TEST_CASE("userxattr comes without metacopy and redirect_dir, on or off", "[04.1]") {
    OverlayMount overlay = writable({"a"});
    overlay.userxattr = true;
    overlay.volatile_upper = true;
    const Options options = overlay_options(overlay);
    step("overlay_options with userxattr: " + shown(options));
    const bool contradicts = mentions(options, "metacopy") || mentions(options, "redirect_dir");
    fact("contradicts_userxattr", contradicts);
    TENON_EXPECT(has(options, "userxattr") && !contradicts, "userxattr alone", shown(options));
    CHECK(has(options, "volatile"));
}

TEST_CASE("metacopy alone does not switch off what it needs", "[04.1]") {
    OverlayMount overlay = writable({"a"});
    overlay.metacopy = true;
    const Options options = overlay_options(overlay);
    step("overlay_options with metacopy: " + shown(options));
    fact("metacopy_contradicted", has(options, "redirect_dir=off"));
    TENON_EXPECT(has(options, "metacopy=on") && !has(options, "redirect_dir=off"),
                 "metacopy=on, and no redirect_dir=off", shown(options));
}

TEST_CASE("redirect_dir and volatile are switched on where asked for", "[04.1]") {
    OverlayMount overlay = writable({"a"});
    overlay.redirect_dir = true;
    overlay.volatile_upper = true;
    const Options options = overlay_options(overlay);
    TENON_EXPECT(
        has(options, "redirect_dir=on") && has(options, "volatile") && has(options, "metacopy=off"),
        "redirect_dir=on volatile metacopy=off", shown(options));
}

TEST_CASE("lowerdir+ takes a path as it is", "[04.1]") {
    const Options lower{"a:b", "c,d", "e\\f"};
    OverlayMount overlay = writable(lower);
    overlay.upper = "u\\p";
    const Options options = overlay_options(overlay);
    const Options got = values_of(options, "lowerdir+");
    step("overlay_options: " + shown(options));
    fact("escaped_needlessly", mentions(options, "a\\:b"));
    TENON_EXPECT(got == lower, shown(lower), shown(got));
    TENON_EXPECT(has(options, R"(upperdir=u\\p)"), R"(upperdir=u\\p, escaped)", shown(options));
}

TEST_CASE("overlay_data joins the layers by colons, the topmost first", "[04.1]") {
    const std::string data = overlay_data(writable({"c", "b", "a"}));
    step("overlay_data: " + data);
    fact("reversed", data.starts_with("lowerdir=a:b:c"));
    TENON_EXPECT(data.starts_with("lowerdir=c:b:a,upperdir=upper,workdir=work"),
                 "lowerdir=c:b:a,upperdir=upper,workdir=work ...", data);
}

TEST_CASE("overlay_data escapes what would end a path", "[04.1]") {
    OverlayMount overlay = writable({"a:b", "c,d"});
    overlay.upper = "u\\,p";
    const std::string data = overlay_data(overlay);
    step("overlay_data: " + data);
    fact("not_escaped", data.find("a:b") != std::string::npos);
    TENON_EXPECT(data.starts_with(R"(lowerdir=a\:b:c\,d,upperdir=u\\\,p,workdir=work)"),
                 R"(lowerdir=a\:b:c\,d,upperdir=u\\\,p,workdir=work ...)", data);
}

TEST_CASE("overlay_data fits into a page, or is refused", "[04.1]") {
    const auto of_length = [](std::size_t length) {
        OverlayMount overlay = read_only({"x"});
        const std::size_t rest = overlay_data(overlay).size() - 1;
        overlay.lower.front() = std::string(length - rest, 'x');
        return overlay;
    };
    CHECK(overlay_data(of_length(4095)).size() == 4095);
    const std::string refused = complaint([&] { return overlay_data(of_length(4096)); });
    TENON_EXPECT(refused.find("page") != std::string::npos, "refused: longer than a page", refused);
}

TEST_CASE("an overlay that contradicts itself is refused in words", "[04.1]") {
    // With the starter, an overlay that does not would be refused, too: as not implemented.
    REQUIRE_FALSE(overlay_options(writable({"a"})).empty());
    OverlayMount metacopy = writable({"a"});
    metacopy.userxattr = metacopy.metacopy = true;
    OverlayMount redirect = writable({"a"});
    redirect.userxattr = redirect.redirect_dir = true;
    OverlayMount no_work = writable({"a"});
    no_work.work.clear();
    OverlayMount no_upper = writable({"a"});
    no_upper.upper.clear();
    for (const auto& [overlay, word] : {std::pair{writable({}), "lower"},
                                        {metacopy, "userxattr"},
                                        {redirect, "userxattr"},
                                        {no_work, "work"},
                                        {no_upper, "upper"}}) {
        const OverlayMount& wrong = overlay;
        CHECK(contains(complaint([&] { return overlay_options(wrong); }), word));
        CHECK(contains(complaint([&] { return overlay_data(wrong); }), word));
    }
}

}  // namespace tenon::test
