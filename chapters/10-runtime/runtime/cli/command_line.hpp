// The command line as a table. Small on purpose: it is read by every command of every container,
// and a start takes less than a millisecond.
//
// --name VALUE, --name=VALUE, -n VALUE, -name VALUE (one dash will do, as in Go's flag package).
#pragma once

#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::cli {

// A mistake in the words of a command.
class UsageError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// --help of a verb: its options, one after the other, each with what it does.
class HelpAsked : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

// One row. `letter` may be 0; `value` is what --help calls its value, and empty where it has none.
struct Option {
    std::string_view name;
    char letter = 0;
    std::string_view value;
    std::string_view what;  // for --help
    std::function<void(std::string_view value)> take;
};

Option flag(std::string_view name, bool& field, std::string_view what, char letter = 0);
Option text(std::string_view name, std::string& field, std::string_view value,
            std::string_view what, char letter = 0);
// May be given several times.
Option texts(std::string_view name, std::vector<std::string>& field, std::string_view value,
             std::string_view what, char letter = 0);
Option number(std::string_view name, unsigned& field, std::string_view what);
// Accepted, and of no consequence here: why is said at the place.
Option ignored(std::string_view name, std::string_view value = {});

// What --help says of them.
std::string lines_of(std::span<const Option> table);

// Where options may stand.
enum class Where {
    Anywhere,          // `delete ID --force`, too
    BeforeFirstWord,   // what follows the first word that is none belongs to somebody else
    BeforeSecondWord,  // as for `exec ID CMD -x`
};

// Takes the options out of `words`; returns the rest. `--` ends options.
// Throws UsageError  an unknown option, a value missing; HelpAsked
std::vector<std::string> take_options(std::span<const std::string> words,
                                      std::span<const Option> table, Where where);

// The one word that a command takes. Throws UsageError.
std::string only_id(std::string_view verb, const std::vector<std::string>& rest);

// Absolute, without `.`, `..` or a slash at the end; nobody looks whether it is there.
std::string absolute_path(const std::string& path);

// A whole number. Throws UsageError.
long parse_number(std::string_view name, std::string_view text);

}  // namespace tenon::cli
