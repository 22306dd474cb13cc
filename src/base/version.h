// The version of the program, as `tidemill version`, /metrics and REST answers give it.
#pragma once

namespace tidemill {

inline constexpr const char* version = "0.1.0";

}  // namespace tidemill
