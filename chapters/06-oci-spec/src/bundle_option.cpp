// The option that every verb with a bundle has.
#include "tenon/bundle_plan.hpp"
#include "tenon/option_group.hpp"

namespace tenon {

void declare_bundle_option(CLI::App& run, std::string& bundle) {
    OptionGroup{run, "Bundle"}.value("-b,--bundle", "DIR", "the folder with config.json (this one)",
                                     bundle);
}

}  // namespace tenon
