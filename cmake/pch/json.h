#include "standard.h"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
