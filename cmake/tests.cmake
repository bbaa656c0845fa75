# The tests of `colcon test`: one for each folder and each file of test/, the launch tests and lint.

find_package(ament_cmake_pytest REQUIRED)
find_package(ament_cmake_test REQUIRED)

# The tests that need the robot's protocol server are not among them: `./reacher test integration` runs those.
set(no_test_folders conftest.py helpers integration launch settings)
file(GLOB groups RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}/test CONFIGURE_DEPENDS test/[a-z]*)
list(REMOVE_ITEM groups ${no_test_folders})
foreach(group ${groups})
  get_filename_component(name ${group} NAME_WE)
  string(REGEX REPLACE "^test_" "" name ${name})
  ament_add_pytest_test(${name} test/${group} PYTHON_EXECUTABLE ${Python3_EXECUTABLE} TIMEOUT 900)
endforeach()

# The plugins of launch_testing let pytest run the launch tests too, where add_launch_test is not available.
set(launch_tests test/launch/test_async.py test/launch/test_sync.py)
find_package(launch_testing_ament_cmake QUIET)
if(launch_testing_ament_cmake_FOUND)
  # test/conftest.py, which isolates the other tests from other users of the network, is a file of pytest.
  string(RANDOM LENGTH 2 ALPHABET 123456789 domain)
  foreach(launch_test ${launch_tests})
    add_launch_test(${launch_test} TIMEOUT 300 PYTHON_EXECUTABLE ${Python3_EXECUTABLE}
      ENV ROS_DOMAIN_ID=${domain} ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
      APPEND_ENV PYTHONPATH=${CMAKE_CURRENT_SOURCE_DIR}/test/launch)
    list(APPEND ignored --ignore=${launch_test})
  endforeach()
  list(JOIN ignored " " ignored)
else()
  message(STATUS "launch_testing_ament_cmake was not found: pytest runs the launch tests.")
endif()
ament_add_pytest_test(launch test/launch PYTHON_EXECUTABLE ${Python3_EXECUTABLE} TIMEOUT 900
  ENV "PYTEST_ADDOPTS=${ignored}")

execute_process(COMMAND ${Python3_EXECUTABLE} -c "import mypy, ruff" RESULT_VARIABLE no_linters OUTPUT_QUIET ERROR_QUIET)
if(no_linters)
  message(STATUS "ruff or mypy is not installed: no lint. `pip install -r tools/requirements/dev.txt` installs them.")
else()
  ament_add_test(lint GENERATE_RESULT_FOR_RETURN_CODE_ZERO TIMEOUT 300 WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
    COMMAND sh -c "\"$0\" -m ruff check && \"$0\" -m ruff format --check && \"$0\" -m mypy" ${Python3_EXECUTABLE})
endif()
