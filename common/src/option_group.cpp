#include "tenon/option_group.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <stdexcept>

#include "tenon/error.hpp"

namespace tenon {

namespace {

// As CLI11 calls it: by the first long name, or else the first.
std::string called(const std::string& names) {
    const auto dashes = names.find("--");
    const auto start = dashes == std::string::npos ? 0 : dashes;
    return names.substr(start, names.find(',', start) - start);
}

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
    throw CLI::ValidationError(why.starts_with(name) ? why : fmt::format("{}: {}", name, why));
}

void take_or_refuse(const std::string& name, const TakeValue& take, const std::string& text) {
    try {
        take(text);
    } catch (const std::invalid_argument& error) {
        refuse(name, error.what());
    } catch (const SysError& error) {
        refuse(name, error.what());
    }
}

}  // namespace

OptionGroup::OptionGroup(CLI::App& verb, std::string heading)
    : verb_(&verb), heading_(std::move(heading)) {}

void OptionGroup::flag(const std::string& names, const std::string& help, bool& given) {
    verb_->add_flag(names, given, help)->group(heading_);
}

void OptionGroup::flag(const std::string& names, const std::string& help,
                       std::function<void()> take) {
    verb_->add_flag_callback(names, std::move(take), help)->group(heading_);
}

CLI::Option& OptionGroup::added(const std::string& names, const std::string& type,
                                const std::string& help, TakeValue take) {
    const auto take_one = [name = called(names), take = std::move(take)](const std::string& text) {
        take_or_refuse(name, take, text);
    };
    CLI::Option& option = *verb_->add_option_function<std::string>(names, take_one, help);
    if (!type.empty()) option.type_name(type);
    option.group(heading_);
    return option;
}

void OptionGroup::value(const std::string& names, const std::string& type, const std::string& help,
                        TakeValue take) {
    added(names, type, help, std::move(take));
}

void OptionGroup::value(const std::string& names, const std::string& type, const std::string& help,
                        std::string& text) {
    added(names, type, help, [&text](const std::string& given) { text = given; });
}

void OptionGroup::required(const std::string& names, const std::string& type,
                           const std::string& help, TakeValue take) {
    added(names, type, help, std::move(take)).required();
}

void OptionGroup::value_or(const std::string& unsaid, const std::string& names,
                           const std::string& type, const std::string& help, TakeValue take) {
    added(names, type, help, std::move(take)).expected(0, 1)->default_str(unsaid);
}

void OptionGroup::values(const std::string& names, const std::string& type, const std::string& help,
                         TakeValue take) {
    const auto take_each = [name = called(names),
                            take = std::move(take)](const std::vector<std::string>& texts) {
        for (const std::string& text : texts) take_or_refuse(name, take, text);
    };
    verb_->add_option_function<std::vector<std::string>>(names, take_each, help)
        ->type_size(1)
        ->trigger_on_parse()  // at the end, CLI11 would call us option by option
        ->allow_extra_args(false)
        ->type_name(type)
        ->group(heading_);
}

void OptionGroup::values(const std::string& names, const std::string& type, const std::string& help,
                         std::vector<std::string>& texts) {
    values(names, type, help, [&texts](const std::string& text) { texts.push_back(text); });
}

void OptionGroup::exclusive(const std::string& one, const std::string& other) {
    verb_->get_option(one)->excludes(verb_->get_option(other));
}

}  // namespace tenon
