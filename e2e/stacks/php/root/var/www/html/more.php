<?php
// What the plain probe does not use, one thing a request.
header('Content-Type: text/plain');
switch ($_GET['what'] ?? '') {
case 'extensions':
	echo implode("\n", get_loaded_extensions()), "\n";
	break;
case 'zone':
	$when = new DateTime('2025-07-01 12:00:00 UTC');
	echo $when->setTimezone(new DateTimeZone($_GET['name']))->format('c'), "\n";
	break;
case 'image':
	$image = imagecreatetruecolor(80, 20);
	$box = imagettftext($image, 12, 0, 2, 16, 0xffffff, '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf', 'lathe');
	ob_start();
	imagepng($image);
	$png = ob_get_clean();
	echo implode(' ', $box), ' ', md5($png), "\n";
	break;
case 'sqlite':
	$db = new PDO('sqlite::memory:');
	echo $db->query('SELECT 6 * 7')->fetchColumn(), "\n";
	break;
case 'intl':
	echo (new NumberFormatter('de_CH', NumberFormatter::CURRENCY))->formatCurrency(1234.5, 'CHF'), ' ', strtoupper(transliterator_transliterate('Any-Latin', 'Привет')), "\n";
	break;
case 'xml':
	$doc = new DOMDocument();
	$doc->loadXML('<a><b c="d"/></a>');
	$sheet = new DOMDocument();
	$sheet->loadXML('<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/"><e><xsl:value-of select="a/b/@c"/></e></xsl:template></xsl:stylesheet>');
	$processor = new XSLTProcessor();
	$processor->importStylesheet($sheet);
	echo $processor->transformToXml($doc), "\n";
	break;
case 'iconv':
	echo bin2hex(iconv('UTF-8', $_GET['name'], 'Grüße')), "\n";
	break;
case 'openssl':
	$key = openssl_pkey_new(['private_key_bits' => 2048]);
	$csr = openssl_csr_new(['commonName' => 'lathe'], $key);
	echo openssl_x509_parse(openssl_csr_sign($csr, null, $key, 1))['name'], ' ', count(stream_get_transports()), "\n";
	break;
case 'locale':
	echo setlocale(LC_ALL, $_GET['name']), "\n";
	break;
case 'curl':
	$curl = curl_init('http://127.0.0.1/index.php');
	curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
	echo curl_exec($curl);
	break;
case 'user':
	echo posix_getpwuid(posix_geteuid())['name'], "\n";
	break;
case 'functions':
	$count = 0;
	foreach (get_loaded_extensions() as $name) $count += count((new ReflectionExtension($name))->getFunctions());
	echo "$count functions ", count(get_declared_classes()), " classes\n";
	break;
case 'zones':
	$known = 0;
	foreach (DateTimeZone::listIdentifiers(DateTimeZone::ALL_WITH_BC) as $name) {
		try {
			(new DateTime('2025-07-01 12:00:00', new DateTimeZone($name)))->format('c');
			$known++;
		} catch (Exception) { // one that the list has and the data has not
		}
	}
	echo "$known zones\n";
	break;
case 'fonts':
	$image = imagecreatetruecolor(80, 20);
	foreach (glob('/usr/share/fonts/truetype/*/*.ttf') as $name) {
		echo basename($name), ' ', implode(' ', imagettftext($image, 12, 0, 2, 16, 0xffffff, $name, 'lathe')), "\n";
	}
	break;
case 'formats':
	$image = imagecreatetruecolor(16, 16);
	foreach (['avif', 'bmp', 'gif', 'jpeg', 'png', 'wbmp', 'webp'] as $name) {
		ob_start();
		("image$name")($image);
		$data = ob_get_clean();
		echo $name, ' ', strlen($data) > 0 ? implode('x', array_slice(getimagesizefromstring($data), 0, 2)) : 'none', "\n";
	}
	break;
case 'session':
	session_start();
	$_SESSION['n'] = 42;
	$id = session_id();
	session_write_close();
	$_SESSION = [];
	session_start();
	echo session_save_path(), ' ', $_SESSION['n'], ' ', $id === session_id() ? 'same' : 'other', "\n";
	session_destroy();
	break;
case 'encodings':
	$works = 0;
	foreach (mb_list_encodings() as $name) $works += @mb_check_encoding(mb_convert_encoding('lathe', $name), $name) ? 1 : 0;
	echo $works, ' of ', count(mb_list_encodings()), ' ', mb_strtoupper('grüße'), ' ', mb_ereg('^l', 'lathe') ? 'matches' : '', "\n";
	break;
case 'regions':
	$text = '';
	foreach (ResourceBundle::getLocales('') as $name) $text .= (new NumberFormatter($name, NumberFormatter::SPELLOUT))->format(42);
	$words = IntlBreakIterator::createWordInstance('th');
	$words->setText('สวัสดีชาวโลก');
	echo md5($text), ' ', iterator_count($words->getPartsIterator()), ' ', (new Collator('sv'))->compare('z', 'ö'), ' ', idn_to_ascii('grüße.de'), ' ', IntlTimeZone::createTimeZone('Asia/Kolkata')->getDisplayName(), "\n";
	break;
case 'opcache':
	echo opcache_get_status(false)['opcache_enabled'] ? 'on' : 'off', ' ', ini_get('opcache.jit'), "\n";
	break;
case 'mail':
	echo @mail('nobody@localhost', 'subject', 'text') ? 'sent' : 'not sent', "\n";
	break;
case 'files':
	$archive = new PharData('/tmp/deep.tar');
	$archive['a'] = 'lathe';
	$archive->compress(Phar::GZ);
	echo (new finfo(FILEINFO_MIME))->file('/tmp/deep.tar.gz'), ' ', file_get_contents('compress.zlib://data:,lathe'), ' ', gzuncompress(gzcompress('zipped')), "\n";
	array_map('unlink', ['/tmp/deep.tar', '/tmp/deep.tar.gz']);
	break;
case 'process':
	echo trim(shell_exec('echo from a shell')), "\n";
	break;
case 'sockets':
	[$a, $b] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
	fwrite($a, "paired\n");
	echo fgets($b), implode(' ', stream_get_transports()), ' ', gethostbyname('localhost'), ' ', getservbyname('https', 'tcp'), "\n";
	break;
case 'database':
	$server = @mysqli_init();
	mysqli_report(MYSQLI_REPORT_OFF);
	echo @$server->real_connect('127.0.0.1', 'nobody', '', '', 1) ? 'connected' : $server->connect_errno, ' ', implode(' ', PDO::getAvailableDrivers()), "\n";
	break;
case 'hashes':
	echo implode(' ', array_map(fn ($name) => substr(hash($name, 'lathe'), 0, 4), hash_algos())), ' ', strlen(sodium_crypto_secretbox_keygen()), ' ', password_verify('a', password_hash('a', PASSWORD_ARGON2ID)) ? 'verified' : '', ' ', crypt('a', '$6$salt$'), "\n";
	break;
default:
	http_response_code(404);
}
