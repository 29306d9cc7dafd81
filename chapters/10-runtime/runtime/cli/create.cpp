// create: everything but the program.
#include "extensions.hpp"
#include "launch_options.hpp"
#include "tenon/unwritable.hpp"

namespace tenon::cli {

int create(const Global& global, Words words) {
    protect_own_binary(global.arguments);
    LaunchOptions options;
    const std::string id =
        only_id("create", take_options(words, create_table(options), Where::Anywhere));
    const LaunchRequest request = request_from(global, options, id);
    close_leaked_descriptors(request);
    Bundle bundle = bundle_from(global, options);
    const ext::Wishes wishes = wishes_from(global, options, id, bundle.spec);
    const ext::Extensions extensions{bundle.spec, wishes};
    Container::create(ContainerRoot::make(global.root), request, std::move(bundle),
                      extensions.all(), Begin::AtGate);
    extensions.keep();
    return 0;
}

}  // namespace tenon::cli
