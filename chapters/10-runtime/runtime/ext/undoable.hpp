// A feature that changes the host: its destructor takes the change back, unless the launch has
// succeeded and it was told to keep it.
#pragma once

#include "tenon/extension.hpp"

namespace tenon::ext {

class Undoable : public LaunchExtension {
  public:
    virtual void keep() { kept_ = true; }

  protected:
    [[nodiscard]] bool kept() const { return kept_; }

  private:
    bool kept_ = false;
};

}  // namespace tenon::ext
