/// @file
/// Options of a command line, one line each. CLI11 reads them; who declares some knows it by name
/// only: to compile it takes seconds, each time.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tenon {

/// What becomes of a value. A std::invalid_argument or SysError that it throws is a mistake of the
/// command line; it is told behind the option's name, unless it begins with that.
using TakeValue = std::function<void(const std::string& text)>;

/// Options of one verb that stand below one heading of its --help.
///
/// `names` are all of an option: `-p,--publish`; without dashes it is a word, known by its place.
/// `type` is what --help calls the value. An option may be given once, but for values().
class OptionGroup {
  public:
    explicit OptionGroup(CLI::App& verb, std::string heading = "Options");

    void flag(const std::string& names, const std::string& help, bool& given);
    void flag(const std::string& names, const std::string& help, std::function<void()> take);

    void value(const std::string& names, const std::string& type, const std::string& help,
               TakeValue take);
    void value(const std::string& names, const std::string& type, const std::string& help,
               std::string& text);
    /// It has to be there.
    void required(const std::string& names, const std::string& type, const std::string& help,
                  TakeValue take);
    /// `--name` alone says @p unsaid.
    void value_or(const std::string& unsaid, const std::string& names, const std::string& type,
                  const std::string& help, TakeValue take);
    /// As often as it is given, each time in its place among the other values().
    void values(const std::string& names, const std::string& type, const std::string& help,
                TakeValue take);
    void values(const std::string& names, const std::string& type, const std::string& help,
                std::vector<std::string>& texts);

    /// Of the two at most one is given.
    void exclusive(const std::string& one, const std::string& other);

  private:
    CLI::Option& added(const std::string& names, const std::string& type, const std::string& help,
                       TakeValue take);

    CLI::App* verb_;
    std::string heading_;
};

}  // namespace tenon
