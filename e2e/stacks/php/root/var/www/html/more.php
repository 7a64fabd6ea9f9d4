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
default:
	http_response_code(404);
}
