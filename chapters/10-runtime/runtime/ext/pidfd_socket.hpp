// --pidfd-socket: whoever listens there is sent a pidfd of the container's first process. A pid
// may be a stranger's by the time it is used; a pidfd never is. runc's word for it.
#pragma once

#include <string>

#include "tenon/extension.hpp"
#include "tenon/fd.hpp"

namespace tenon::ext {

class PidfdSocket : public LaunchExtension {
  public:
    // Connects: an error here has made nothing. Throws SysError  connect: ENOENT, ECONNREFUSED
    explicit PidfdSocket(const std::string& path);
    // Before the program runs. Throws SysError  sendmsg: EPIPE
    void on_child_created(const Child& child) override;

  private:
    std::string path_;
    UniqueFd receiver_;
};

}  // namespace tenon::ext
