<?php
header('Content-Type: text/plain');
echo "It serves.\n";
